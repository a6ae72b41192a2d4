"""What the Python scripts of this folder share: jobs in, tagged values out.

    <script>.py JOBS OUT

JOBS is a JSON list of `{"table", "path", "partitions"}`; OUT gets a line of JSON for each: `table`, and either `columns` (name and the
type as the reader names it) with `rows` (lists of tagged values, see `tables.py`), or `error`. Runs on any Python from 3.8 on.
"""

import datetime
import decimal
import json
import sys

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def tagged(value):
    """A Python value in the tagged form."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return f"i:{value}"
    if isinstance(value, float):
        return f"f:{value!r}"
    if isinstance(value, decimal.Decimal):
        return f"d:{value}"
    if isinstance(value, str):
        return f"s:{value}"
    if isinstance(value, bytes):
        return f"b:{value.hex()}"
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            return f"n:{(value.replace(tzinfo=datetime.timezone.utc) - EPOCH) // MICROSECOND}"
        return f"z:{(value - EPOCH) // MICROSECOND}"
    if isinstance(value, datetime.date):
        return f"D:{(value - EPOCH.date()).days}"
    if isinstance(value, dict):
        return {str(name): tagged(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [tagged(inner) for inner in value]
    return f"?{type(value).__name__}:{value}"


def arrow(table):
    """Columns and rows of a pyarrow table."""
    columns = [[field.name, str(field.type)] for field in table.schema]
    values = [table.column(number).to_pylist() for number in range(table.num_columns)]
    return columns, [[tagged(value) for value in row] for row in zip(*values)] if values else [[] for _ in range(table.num_rows)]


def main(read):
    """`read(path, partitions)` gives columns and rows."""
    jobs, out = sys.argv[1:]
    with open(jobs, encoding="utf-8") as file:
        jobs = json.load(file)
    with open(out, "a", encoding="utf-8") as file:
        for job in jobs:
            try:
                columns, rows = read(job["path"], job["partitions"])
                answer = {"columns": columns, "rows": rows}
            except BaseException as refusal:  # noqa: BLE001 - some bindings raise their panics beside Exception
                if isinstance(refusal, (KeyboardInterrupt, SystemExit)):
                    raise
                answer = {"error": f"{type(refusal).__name__}: {refusal}"[:2000]}
            file.write(json.dumps({"table": job["table"], **answer}) + "\n")
            file.flush()
