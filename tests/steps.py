"""The steps of ./tests/run, once their environment exists.

    steps.py [NAME…] [--minutes N] [--seed N …] [--histories N] [--first N]

Without a name every step runs, in this order: `rust` (unit and integration tests, with both S3 servers up), `doc` (the examples in the
documentation), `readers` (DuckDB, pyarrow and Spark read every table the Rust tests left; the oldest and newest versions of many readers
read the tables of the matrix; the statements of `ddl` are run or parsed), `datasette` (a real application's table, exported and merged), `values` (random numbers against
Python's `decimal`), `apps` (real applications, crawled while their rows change), `model` (random histories against a model, the same for two minutes, or others as `--minutes` and `--seed` say)
and, when it is named, `bucket` (one of them, or as many as `--histories` says, in a bucket whose server is killed again and again). `matrix` runs only when it is
named: all versions of all readers, and with `--write` docs/readers.md is written anew; so does `simulator`: a million histories of the commit
protocol, or as many as `--histories` says, from the seed `--first` on; `airflow`: examples/airflow/shards.py run by Airflow; and `ui`: the pages of `report` and `ui` in Chromium, with axe, and with `--large` a lake of 300 tables. A name is a step, or a part of Rust test names;
options are those of `tests/model/scenario.py`, of `tests/model/bucket.py`, of `tests/readers/matrix.py` and of `simulator`. Ends non-zero when a test failed or a step ran none.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import services

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
STEPS = ["rust", "doc", "readers", "datasette", "values", "apps", "model"]
ON_DEMAND = ["matrix", "simulator", "bucket", "ui", "airflow"]

# What stands behind the names on the command line.
OPTIONS: list = []

# What the runners close with: nextest, cargo test, and the plain line of our own scripts.
COUNTS = [
    re.compile(r"tests? run: (?P<passed>\d+) passed(?: \([^)]*\))?(?:, (?P<failed>\d+) failed)?(?:.*?(?P<timed_out>\d+) timed out)?"),
    re.compile(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed"),
    re.compile(r"^\w+: (?P<passed>\d+) passed, (?P<failed>\d+) failed"),
]


def run(command: list, env: dict) -> tuple:
    """Runs a command in the repository with its output passed on; returns exit code, tests passed and tests failed."""
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace", preexec_fn=services.die_with_parent)
    passed, failed = 0, 0
    try:
        for line in process.stdout:
            print(line, end="")
            for pattern in COUNTS:
                if counts := pattern.search(line):
                    numbers = {name: int(number or 0) for name, number in counts.groupdict().items()}
                    passed += numbers.pop("passed")
                    failed += sum(numbers.values())
                    break
        return process.wait(), passed, failed
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def target_folder() -> pathlib.Path:
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def rust(env: dict, names: list) -> tuple:
    with tempfile.TemporaryDirectory(prefix="lakeward-s3-") as folder, services.s3_servers(pathlib.Path(folder)) as s3:
        env = {**env, **s3}
        if shutil.which("cargo-nextest"):
            return run(["cargo", "nextest", "run", "--locked", "--no-fail-fast", *names], env)
        if len(names) < 2:
            return run(["cargo", "test", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests", *names], env)
        return run(["cargo", "test", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests", "--", *names], env)


def doc(env: dict, _names: list) -> tuple:
    return run(["cargo", "test", "--locked", "--doc"], env)


def prepare_readers() -> subprocess.Popen:
    """Installs the readers of the matrix meanwhile, which is mostly waiting for downloads."""
    def before() -> None:
        services.die_with_parent()
        os.nice(10)
    return subprocess.Popen([sys.executable, TESTS / "readers/environments.py"], stdin=subprocess.DEVNULL, preexec_fn=before)


def readers(env: dict, _names: list) -> tuple:
    left = run([sys.executable, TESTS / "readers/check_tables.py", env["LAKEWARD_TEST_TABLES"]], env)
    made = with_binary("readers/matrix.py", env)
    told = with_binary("readers/check_ddl.py", env)
    return left[0] or made[0] or told[0], left[1] + made[1] + told[1], left[2] + made[2] + told[2]


def matrix(env: dict, _names: list) -> tuple:
    return with_binary("readers/matrix.py", env, "--all", *OPTIONS)


def with_binary(script: str, env: dict, *options: str) -> tuple:
    built, _, _ = run(["cargo", "build", "--locked"], env)
    if built != 0:
        return built, 0, 0
    return run([sys.executable, TESTS / script, target_folder() / "debug/lakeward", *options], env)


def datasette(env: dict, _names: list) -> tuple:
    return with_binary("datasette/scenario.py", env)


def values(env: dict, _names: list) -> tuple:
    return with_binary("values/scenario.py", env)


def apps(env: dict, _names: list) -> tuple:
    return with_binary("apps/scenario.py", env)


def model(env: dict, _names: list) -> tuple:
    # The same histories for every change, so that it passes or fails for what it is; with options, those of the time.
    return with_binary("model/scenario.py", env, *(OPTIONS or ["--seed", "1796125580"]))


def bucket(env: dict, _names: list) -> tuple:
    return with_binary("model/bucket.py", env, *OPTIONS)


def ui(env: dict, _names: list) -> tuple:
    return with_binary("ui/scenario.py", env, *OPTIONS)


def airflow(env: dict, _names: list) -> tuple:
    return with_binary("airflow/scenario.py", env)


def simulator(env: dict, _names: list) -> tuple:
    asked = argparse.ArgumentParser(prog="./tests/run simulator")
    asked.add_argument("--histories", type=int, default=1_000_000)
    asked.add_argument("--first", type=int, default=0)
    asked = asked.parse_args(OPTIONS)
    env = {**env, "LAKEWARD_SIM_HISTORIES": str(asked.histories), "LAKEWARD_SIM_FIRST": str(asked.first)}
    test = "lake::tests::simulator::tests::as_many_histories_as_are_asked_for"
    return run(["cargo", "test", "--locked", "--profile", "simulator", "--lib", "--", "--exact", "--nocapture", test], env)


def stop(signum: int, _frame) -> None:
    raise SystemExit(128 + signum)


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    given = sys.argv[1:]
    first_option = next((place for place, word in enumerate(given) if word.startswith("--")), len(given))
    OPTIONS.extend(given[first_option:])
    asked = [name for name in given[:first_option] if name in STEPS + ON_DEMAND]
    names = [name for name in given[:first_option] if name not in STEPS + ON_DEMAND]
    if OPTIONS and asked not in (["model"], ["bucket"], ["matrix"], ["simulator"], ["ui"]):
        raise SystemExit(f"tests/run: {OPTIONS[0]} is an option of `model`, `bucket`, `matrix`, `simulator` or `ui`: ./tests/run model {' '.join(OPTIONS)}")
    if names and "rust" not in asked:
        asked.append("rust")
    steps = [step for step in STEPS + ON_DEMAND if step in (asked or STEPS)]
    tables = target_folder() / "test-tables"
    if "rust" in steps:
        shutil.rmtree(tables, ignore_errors=True)
    tables.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "LAKEWARD_TEST_FULL": "1", "LAKEWARD_TEST_PYTHON": sys.executable, "LAKEWARD_TEST_TABLES": str(tables)}

    preparing = prepare_readers() if "readers" in steps else None
    total_passed, total_failed, summary = 0, 0, []
    for step in steps:
        print(f"\n== {step}", flush=True)
        started = time.monotonic()
        if step == "readers" and preparing:
            preparing.wait()
        code, passed, failed = globals()[step](env, names)
        # Documentation need not have runnable examples; every other step must run something.
        empty = passed == 0 and step != "doc"
        ok = code == 0 and failed == 0 and not empty
        total_passed += passed
        total_failed += max(failed, 0 if ok else 1)
        why = "" if ok else f" (exit {code}{', no test ran' if empty else ''})"
        summary.append(f"{'ok' if ok else 'FAILED'} {step}: {passed} passed, {failed} failed, {time.monotonic() - started:.0f} s{why}")
    print("\n" + "\n".join(summary))
    print(f"tests: {total_passed} passed, {total_failed} failed")
    return 1 if total_failed else 0


if __name__ == "__main__":
    sys.exit(main())
