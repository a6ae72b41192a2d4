"""Reads a table with several readers and prints what they agree on, as one line of JSON.

    read_table.py TABLE [--readers duckdb,pyarrow,spark] [--rows]

TABLE is a folder or `s3://bucket/prefix`. Ends non-zero when the readers disagree. The JSON has `rows` (their number), `columns`, `sums`
(exact, as text, per numeric column), `digest` (over all values of all rows) and `files`; with `--rows` also `values`, the rows.
"""

import argparse
import json
import sys

import readers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--readers", default="")
    parser.add_argument("--rows", action="store_true")
    args = parser.parse_args()
    names = args.readers.split(",") if args.readers else [n for n in readers.READERS if n != "spark" or not readers.is_s3(args.table)]
    table = args.table.rstrip("/")
    try:
        agreed = readers.agree([readers.read(name, table) for name in names])
    except readers.Disagreement as difference:
        print(f"error: {difference}", file=sys.stderr)
        return 1
    answer = {"rows": len(agreed.rows), "columns": agreed.columns, "sums": agreed.sums, "digest": agreed.digest(),
              "files": len(readers.data_files(table)), "readers": names}
    if args.rows:
        answer["values"] = [json.loads(row) for row in agreed.rows]
    print(json.dumps(answer, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
