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
        checks.that("datasette: every change was made", door.failed, [])
