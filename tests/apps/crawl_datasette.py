"""Datasette: pages by key (`next_url`) over a SQLite file whose rows come and go while it is crawled.

Truth is what SQLite holds.
"""

import pathlib
import sqlite3
import sys

import flights
import services
from forwarder import Forwarder

ROWS = 30_000
PAGE = 1_000

CONFIG = """\
name: flights
client: {base_url: "${APP_URL}"}
resources:
  - name: flights
    primary_key: flight_id
    write_disposition: merge
    endpoint:
      path: /nyc/flights.json
      params: {_shape: objects, _size: 1000, _nosuggest: 1, _nofacet: 1}
      data_selector: rows
      paginator: {type: json_link, next_url_path: next_url}
lake: {url: ./lake}
"""

RECENT = """\
name: recent
client: {base_url: "${APP_URL}"}
resources:
  - name: recent
    primary_key: flight_id
    write_disposition: merge
    endpoint:
      path: /nyc/flights.json
      params: {_shape: objects, _size: 1000, _nosuggest: 1, _nofacet: 1, _sort: updated_at, flight_id__lte: 5000}
      data_selector: rows
      paginator: {type: json_link, next_url_path: next_url}
      incremental: {cursor_path: updated_at, start_param: updated_at__gte, row_order: asc}
lake: {url: ./lake}
"""

# Neither a paginator nor where the records are.
BARE = """\
name: bare
client: {base_url: "${APP_URL}"}
resources:
  - name: bare
    primary_key: flight_id
    write_disposition: replace
    endpoint: {path: /nyc/flights.json, params: {_shape: objects, _size: 1000, _nosuggest: 1, _nofacet: 1, flight_id__lte: 5000}}
lake: {url: ./lake}
"""


def change(db: pathlib.Path, *statements: str) -> None:
    with sqlite3.connect(db, timeout=60) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def table(db: pathlib.Path, where: str = "1") -> dict:
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    cursor = connection.execute(f"SELECT * FROM flights WHERE {where}")
    names = [column[0] for column in cursor.description]
    rows = {row[0]: {k: v for k, v in zip(names, row) if v is not None} for row in cursor}
    connection.close()
    return rows


def read(lakeward, name: str = "flights") -> tuple:
    """The table by its key, and how many rows it has."""
    rows = lakeward.rows(name)
    for row in rows:
        for column in {"time_hour", "updated_at"} & row.keys():
            row[column] = row[column].strftime("%Y-%m-%dT%H:%M:%SZ")
    return {row["flight_id"]: row for row in rows}, len(rows)


def while_it_runs(checks, lakeward, door: Forwarder, url: str, db: pathlib.Path) -> None:
    """Rows come and go before and behind the page at hand, which is at flight 14,000."""
    before = table(db)
    names = ", ".join(flights.INTEGERS + flights.TEXTS)
    copy = f"INSERT INTO flights (flight_id, {names}) SELECT flight_id {{by}}, {names} FROM flights WHERE {{where}}"

    def changes() -> None:
        change(db, "DELETE FROM flights WHERE flight_id BETWEEN 2001 AND 2040",          # read already
               "DELETE FROM flights WHERE flight_id BETWEEN 25001 AND 25100",            # not read yet
               copy.format(by="- 100000", where="flight_id BETWEEN 1 AND 70"),           # before everything
               copy.format(by="+ 100000", where="flight_id BETWEEN 1 AND 60"))           # behind everything

    door.begin({15: changes})
    code, tables, _ = lakeward.run("flights", CONFIG, url)
    rows, count = read(lakeward)
    after = table(db)
    throughout = {key: row for key, row in before.items() if key in after}
    checks.that("flights, rows come and go: the run is green", (code, door.failed), (0, []))
    checks.that("flights: no row is there twice", len(rows), count)
    checks.that("flights: every row that was there throughout is there, as it is", {key: rows.get(key) for key in throughout}, throughout)
    others = set(rows) - set(throughout)
    expected = set(range(2001, 2041)) | set(range(100_001, 100_061))
    checks.that("flights: besides them those that went after they were read and those that came behind the page at hand", others, expected)
    checks.that("flights: rows are counted", tables["flights"]["records"], len(before) - 100 + 60)

    door.begin()
    code, _, _ = lakeward.run("flights", CONFIG.replace("write_disposition: merge", "write_disposition: replace"), url)
    checks.that("flights, a quiet night: the table is the truth, row by row", (code, read(lakeward)), (0, (after, len(after))))


def only_what_is_new(checks, lakeward, door: Forwarder, url: str, db: pathlib.Path) -> None:
    """Three nights by `updated_at`: everything, what changed, nothing."""
    stamp = "strftime('%Y-%m-%dT%H:%M:%SZ', '{day}', flight_id || ' seconds')"
    change(db, "ALTER TABLE flights ADD COLUMN updated_at TEXT", f"UPDATE flights SET updated_at = {stamp.format(day='2026-01-10')}",
           "CREATE INDEX by_updated_at ON flights (updated_at)")
    below = "flight_id <= 5000"
    truth = table(db, below)
    door.begin()
    code, tables, _ = lakeward.run("recent", RECENT, url)
    checks.that("recent, first night: all rows", (code, read(lakeward, "recent")), (0, (truth, len(truth))))
    checks.that("recent, first night: without a start", [path for path in door.paths if "updated_at__gte" in path], [])

    names = ", ".join(flights.INTEGERS + flights.TEXTS)
    change(db, f"UPDATE flights SET dep_delay = 99, updated_at = {stamp.format(day='2026-02-10')} WHERE flight_id BETWEEN 101 AND 140",
           f"INSERT INTO flights (flight_id, updated_at, {names}) SELECT flight_id - 200000, {stamp.format(day='2026-02-11')}, {names} "
           "FROM flights WHERE flight_id BETWEEN 1 AND 10")
    truth = table(db, below)
    door.begin()
    code, tables, _ = lakeward.run("recent", RECENT, url)
    facts = tables.get("recent", {})
    checks.that("recent, second night: 40 changed and 10 new rows", (code, facts.get("rows_inserted"), facts.get("rows_updated")), (0, 10, 40))
    checks.that("recent, second night: one request, from the last cursor on", (len(door.paths), "updated_at__gte=" in door.paths[0]), (1, True))
    # The row at the last cursor comes again: another one could have come with the same.
    checks.that("recent, second night: only those are read, and the one at the last cursor", facts.get("records"), 51)
    checks.that("recent, second night: the table is the truth, row by row", read(lakeward, "recent"), (truth, len(truth)))

    door.begin()
    code, tables, _ = lakeward.run("recent", RECENT, url)
    facts = tables.get("recent", {})
    checks.that("recent, third night: nothing is written", (code, facts.get("records"), facts.get("rows_written")), (0, 1, 0))
    checks.that("recent, third night: the table is the truth, row by row", read(lakeward, "recent"), (truth, len(truth)))


def undeclared(checks, lakeward, door: Forwarder, url: str, db: pathlib.Path) -> None:
    truth = table(db, "flight_id <= 5000")
    door.begin()
    code, tables, said = lakeward.run("bare", BARE, url)
    rows, count = read(lakeward, "bare") if code == 0 else ({}, 0)
    checks.that("bare, no paginator declared: the table is the truth, row by row", (code, rows, count), (0, truth, len(truth)))
    # Datasette names the next page in its `Link` header too, which comes first, as in dlt.
    told = [line.split(" from ")[0] for line in said.splitlines() if "detected" in line]
    checks.that("bare: what was detected is told, as the lines to write", told,
                ["bare: detected paginator {type: header_link}", "bare: detected data_selector rows"])


def scenario(checks, lakeward, folder: pathlib.Path) -> None:
    db = folder / "nyc.db"
    flights.build(db, ROWS)
    (port,) = services.free_ports(1)
    command = [pathlib.Path(sys.executable).with_name("datasette"), "serve", db, "--host", "127.0.0.1", "--port", port,
               "--setting", "max_returned_rows", PAGE, "--setting", "sql_time_limit_ms", 20000, "--setting", "num_sql_threads", 1]
    direct = f"http://127.0.0.1:{port}"
    door = Forwarder(port)
    with services.server(command, folder / "datasette.log", lambda: services.answers(f"{direct}/-/versions.json")), door.serving() as url:
        while_it_runs(checks, lakeward, door, url, db)
        only_what_is_new(checks, lakeward, door, url, db)
        undeclared(checks, lakeward, door, url, db)
        checks.that("datasette: every change was made", door.failed, [])
