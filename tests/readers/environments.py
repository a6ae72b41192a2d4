"""Installs the readers of the matrix, each in an environment of its own that is kept in `.venv-readers`.

An environment is made when it is asked for and again when its pins change; its stamp is written last, so a half-made one never counts.
Run by itself, it makes those of the readers that are marked `in_ci`, but for what is compiled: `./tests/run` has it do so beside the Rust tests.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import registry

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KEPT = ROOT / ".venv-readers"


class Unavailable(Exception):
    """This machine has no Python for which the reader is built."""


def version(python: str):
    """`(3, minor)` of an interpreter; None where it does not run."""
    try:
        asked = subprocess.run([python, "-c", "import sys, venv; print(*sys.version_info[:2])"], capture_output=True, text=True, timeout=30, check=True)
        return tuple(map(int, asked.stdout.split()))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def find_python(low: int, high: int) -> str:
    """The newest Python between 3.low and 3.high: this one, one of the PATH, or one of pyenv's."""
    if low <= sys.version_info.minor <= high:
        return sys.executable
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
    for minor in range(high, low - 1, -1):
        places = [shutil.which(f"python3.{minor}"), *map(str, sorted(pyenv.glob(f"3.{minor}.*/bin/python"), reverse=True))]
        for python in filter(None, places):
            if version(python) == (3, minor):
                return python
    raise Unavailable(f"needs a Python from 3.{low} to 3.{high}")


def stamped(place: pathlib.Path, pins: list, also: str, make) -> None:
    """Calls `make` unless `place` was made of these pins."""
    stamp = hashlib.sha256(b"\0".join([also.encode(), *(pin.read_bytes() for pin in pins)])).hexdigest()
    kept = place / "stamp"
    if kept.exists() and kept.read_text() == stamp:
        return
    print(f"matrix: installing {place.name}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    make()
    kept.write_text(stamp)


def run(command: list, **more) -> None:
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def command(reader: registry.Reader) -> tuple:
    """The command that reads, and the folder to run it in; installs what is missing."""
    source = HERE / "read" / reader.script
    if reader.script == "hyparquet":
        place = KEPT / "hyparquet"
        pins = [source / "package.json", source / "package-lock.json"]

        def install():
            for pin in pins:
                shutil.copy(pin, place)
            run(["npm", "ci", "--ignore-scripts"], cwd=place)

        stamped(place, pins, "npm", install)
        return ["node", source / "read.mjs"], place
    if reader.script == "parquet50":
        target = KEPT / "parquet50"
        run(["cargo", "build", "--locked", "--manifest-path", source / "Cargo.toml", "--target-dir", target])
        return [target / "debug/read-parquet50"], ROOT
    if not reader.requirements:
        return [sys.executable, source], ROOT
    python, place = find_python(*reader.pythons), KEPT / reader.requirements
    pins = [HERE / "requirements" / f"{reader.requirements}.txt"]

    def install():
        run([python, "-m", "venv", place])
        run([place / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement", pins[0]])

    stamped(place, pins, python, install)
    return [place / "bin/python", source], ROOT


def main() -> None:
    for reader in registry.READERS:
        if reader.in_ci and reader.script != "parquet50":
            try:
                command(reader)
            except (Unavailable, RuntimeError, OSError):
                # The matrix tries again, and tells of it.
                continue


if __name__ == "__main__":
    main()
