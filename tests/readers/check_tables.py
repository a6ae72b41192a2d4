"""Reads every table that the Rust tests left, with DuckDB, pyarrow and Spark in one session, and compares.

    check_tables.py FOLDER

FOLDER holds `<test>/<table>/` (the table) and `<test>/<table>.expected.json`: `rows`, and `sums`, the exact sums of some numeric
columns as text. All readers must agree on every value of every row, and on what was expected. Ends non-zero when one does not,
and when there is no table at all.
"""

import decimal
import json
import pathlib
import sys

import readers


def check(expected_file: pathlib.Path) -> str:
    """A word on what was read; raises `readers.Disagreement`."""
    expected = json.loads(expected_file.read_text())
    table = expected_file.with_name(expected_file.name.removesuffix(".expected.json"))
    agreed = readers.agree([readers.read(name, str(table)) for name in readers.READERS])
    if len(agreed.rows) != expected["rows"]:
        raise readers.Disagreement(f"{len(agreed.rows)} rows were read, {expected['rows']} expected")
    for column, total in expected.get("sums", {}).items():
        found = agreed.sums.get(column)
        if found is None or decimal.Decimal(found) != decimal.Decimal(total):
            raise readers.Disagreement(f"the sum of `{column}` is {found}, expected {total}")
    return f"{len(agreed.rows)} rows, {len(agreed.columns)} columns"


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    passed, failed = 0, 0
    for expected_file in sorted(folder.glob("*/*.expected.json")):
        name = expected_file.relative_to(folder).as_posix().removesuffix(".expected.json")
        try:
            print(f"read {name}: {check(expected_file)}", flush=True)
            passed += 1
        except Exception as difference:  # noqa: BLE001 - a reader that cannot open a table fails that table, not the rest
            print(f"FAILED {name}: {type(difference).__name__}: {difference}", flush=True)
            failed += 1
    if passed + failed == 0:
        print(f"no table was left in {folder}")
    print(f"readers: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
