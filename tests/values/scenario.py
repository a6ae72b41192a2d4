"""Random number literals against Python's `decimal`, over nights on which columns widen in every order.

    scenario.py BINARY [--literals N] [--seed N]

Each round makes a table of columns with literals of their own kinds, loads it over several nights, each of which brings the records so far
and new ones, or the new ones only, and reads it with pyarrow. Every value of every night must be the number that its literal is. `--seed`
repeats a round. 20,000 literals by default; a million take some minutes.
"""

import argparse
import decimal
import http.server
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading

import pyarrow.dataset

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent)]

from checks import JsonHandler  # noqa: E402

COLUMNS, NIGHTS, ROWS = 12, 5, 60


def digits(rng: random.Random, most: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(rng.randint(1, most)))


def whole(rng: random.Random, most: int) -> str:
    return digits(rng, most).lstrip("0") or "0"


def sign(rng: random.Random) -> str:
    return "-" if rng.random() < 0.3 else ""


# A column takes one kind for a night, so that it widens from one night to the next.
KINDS = {
    "small": lambda rng: sign(rng) + whole(rng, 5),
    "int64": lambda rng: str(rng.randint(-(2**63), 2**63 - 1)),
    "big": lambda rng: sign(rng) + whole(rng, 30),
    "huge": lambda rng: sign(rng) + whole(rng, 45),
    "price": lambda rng: f"{sign(rng)}{whole(rng, 5)}.{rng.randint(0, 99):02}",
    "double": lambda rng: repr(rng.uniform(-1e6, 1e6)),
    "coin": lambda rng: f"{sign(rng)}{whole(rng, 6)}.{digits(rng, 18)}",
    "long": lambda rng: f"{sign(rng)}{whole(rng, 20)}.{digits(rng, 25)}",
    "exponent": lambda rng: f"{sign(rng)}{rng.randint(0, 9)}.{digits(rng, 4)}{rng.choice('eE')}{rng.randint(-12, 12)}",
    "far": lambda rng: f"{sign(rng)}{rng.randint(1, 9)}{rng.choice(['', '.' + digits(rng, 17)])}e{rng.randint(-330, 330)}",
    "odd": lambda rng: rng.choice(["0", "-0", "-0.0", "1.10", "1.0", "5E-324", "1e400", "9007199254740993", "1e2", "0e9", "null"]),
}


def is_same(value: object, literal: str) -> bool:
    if literal == "null" or value is None:
        return literal == "null" and value is None
    text = repr(value) if isinstance(value, float) else str(value)
    return decimal.Decimal(text) == decimal.Decimal(literal)


class Api(JsonHandler):
    body = b"[]"

    def do_GET(self) -> None:
        self.answer(200, Api.body)


def text_of(records: dict) -> bytes:
    rows = (f'{{"id":{key},' + ",".join(f'"c{at}":{value}' for at, value in enumerate(row)) + "}" for key, row in records.items())
    return f"[{','.join(rows)}]".encode()


def one_round(binary: str, url: str, seed: int, folder: pathlib.Path) -> int:
    """A table over its nights; returns how many literals it had."""
    rng = random.Random(seed)
    records: dict = {}
    config = {
        "name": "values",
        "client": {"base_url": url},
        "resources": [{"name": "numbers", "primary_key": "id", "write_disposition": "merge", "expect": {"max_shrink": "100%"},
                       "endpoint": {"path": "numbers", "paginator": "single_page"}}],
        "lake": {"url": str(folder / "lake")},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    for night in range(NIGHTS):
        kinds = [rng.choice(sorted(KINDS)) for _ in range(COLUMNS)]
        new = {len(records) + row: [KINDS[kind](rng) for kind in kinds] for row in range(ROWS)}
        records.update(new)
        Api.body = text_of(records if rng.random() < 0.5 else new)
        for again in (False, True):
            run = subprocess.run([binary, "run", str(folder / "config.yaml")], capture_output=True, text=True, check=False)
            assert run.returncode == 0, f"seed {seed}, night {night}: exit {run.returncode}\n{run.stderr}"
            table = json.loads(run.stdout.splitlines()[-1])["tables"]["numbers"]
            assert not again or table["rows_updated"] == 0, f"seed {seed}, night {night}: an unchanged record was updated: {table}"
        rows = pyarrow.dataset.dataset(folder / "lake" / "numbers", format="parquet").to_table().to_pylist()
        found = {row["id"]: row for row in rows}
        assert found.keys() == records.keys(), f"seed {seed}, night {night}: {len(found)} of {len(records)} rows"
        for key, literals in records.items():
            for at, literal in enumerate(literals):
                value = found[key][f"c{at}"]
                assert is_same(value, literal), f"seed {seed}, night {night}, row {key}, c{at}: {literal} is {value!r}"
    return len(records) * COLUMNS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--literals", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    decimal.getcontext().prec = 1_000
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, literals, seed, failed = f"http://127.0.0.1:{server.server_port}", 0, arguments.seed, 0
    while literals < arguments.literals and not failed:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="lakeward-values-"))
        try:
            literals += one_round(arguments.binary, url, seed, folder)
        except AssertionError as error:
            print(f"FAILED {error}")
            failed = 1
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        seed += 1
    server.shutdown()
    print(f"{literals} literals in {seed - arguments.seed} tables")
    print(f"values: {seed - arguments.seed - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
