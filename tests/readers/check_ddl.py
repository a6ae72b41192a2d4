"""Tries the statements of `lakeward ddl`: DuckDB and Spark run theirs, the others are parsed by their grammar.

    check_ddl.py LAKEWARD [FOLDER]

LAKEWARD is the binary. FOLDER, by default a temporary one, is where everything goes; it stays when it is named.
"""

import datetime
import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading

import duckdb
import sqlglot
from pyspark.sql import SparkSession

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent)]

from checks import Checks, JsonHandler, run_scenario  # noqa: E402

ENGINES = ["duckdb", "spark", "athena", "trino", "clickhouse", "bigquery"]
DESCRIPTION = "what the <b>seller</b> wrote, it's free"
ROWS = [
    {"id": 1, "price": 7, "note": "a", "at": "2026-11-23", "day": "2026-11-23", "o": {"x y": [1.5], "t": "2026-11-23T01:02:03Z"}},
    {"id": 2, "price": 8, "note": "b", "at": "2026-10-22", "day": "2026-10-22", "o": None},
]
CONFIG = """name: shop
client: {base_url: URL}
lake: {url: ./lake}
resources:
  - name: orders
    primary_key: id
    write_disposition: merge
    columns: {note: {data_type: text, description: "DESCRIPTION"}}
    partition_by: [day, {column: at, transform: month, as: month}]
    endpoint: {path: /orders, data_selector: $, paginator: single_page}
"""


class Api(JsonHandler):
    """Answers everything with the rows."""

    def do_GET(self):  # noqa: N802
        self.answer(200, json.dumps(ROWS).encode())


def statements(text: str) -> list:
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";\n") if part.strip(" ;\n")]


def check_duckdb(checks: Checks, text: str) -> None:
    database = duckdb.connect()
    for statement in statements(text):
        database.execute(statement)
    rows = database.execute('SELECT id, price, note, "day", "month", o."x y"[1] FROM orders ORDER BY id').fetchall()
    day = datetime.date(2026, 11, 23)
    checks.that("DuckDB reads the view", (len(rows), rows[0]), (2, (1, 7, "a", day, "2026-11", 1.5)))
    told = database.execute("SELECT comment FROM duckdb_columns() WHERE table_name = 'orders' AND column_name = 'note'").fetchall()
    checks.that("DuckDB has the description", told, [(DESCRIPTION,)])


def check_spark(checks: Checks, text: str, folder: pathlib.Path) -> None:
    warehouse = str(folder / "warehouse")
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.warehouse.dir", warehouse)
             .config("spark.driver.bindAddress", "127.0.0.1").config("spark.sql.session.timeZone", "UTC").getOrCreate())
    try:
        for statement in statements(text):
            spark.sql(statement.rstrip(";"))
        rows = [tuple(row) for row in spark.sql("SELECT id, price, note, day, month, o.`x y`[0], o.t FROM orders ORDER BY id").collect()]
        checks.that("Spark reads the table", (len(rows), rows[0][:6]), (2, (1, 7, "a", datetime.date(2026, 11, 23), "2026-11", 1.5)))
        told = {row.col_name: row.comment for row in spark.sql("DESCRIBE orders").collect()}
        checks.that("Spark has the description", told.get("note"), DESCRIPTION)
    finally:
        spark.stop()


def check_grammar(checks: Checks, engine: str, text: str) -> None:
    for statement in statements(text):
        if statement.startswith("MSCK"):
            # Hive's own, which no grammar of sqlglot has.
            checks.that(f"{engine}: {statement}", re.fullmatch(r"MSCK REPAIR TABLE `orders`;?", statement) is not None, True)
            continue
        # A clause that sqlglot does not know; what is in it are columns like any other.
        levels = re.search(r"WITH PARTITION COLUMNS (\(.*?\n\))\n", statement, re.DOTALL) if engine == "bigquery" else None
        if levels:
            columns = sqlglot.parse_one(f"CREATE TABLE levels {levels[1]}", dialect=engine)
            checks.that(f"{engine}: partition columns", [it.name for it in columns.find_all(sqlglot.exp.ColumnDef)], ["day", "month"])
            statement = statement.replace(levels[0], "")
        parsed = sqlglot.parse_one(statement, dialect=engine)
        if isinstance(parsed, sqlglot.exp.Create):
            names = {column.name for column in parsed.find_all(sqlglot.exp.ColumnDef)}
            checks.that(f"{engine}: the statement names the columns", {"id", "price", "note", "at", "o"} <= names, True)
        else:
            checks.that(f"{engine}: {statement[:60]}", statement.startswith("CALL "), True)


def scenario(binary: pathlib.Path, folder: pathlib.Path) -> Checks:
    checks = Checks()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = CONFIG.replace("URL", f"http://127.0.0.1:{server.server_port}").replace("DESCRIPTION", DESCRIPTION)
    (folder / "lakeward.yaml").write_text(config)
    ran = subprocess.run([binary, "run", "lakeward.yaml"], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    checks.that("the table is loaded", (ran.returncode, ran.stderr if ran.returncode else ""), (0, ""))
    text = {}
    for engine in ENGINES:
        made = subprocess.run([binary, "ddl", "lake", "orders", "--for", engine], cwd=folder, capture_output=True, text=True)
        checks.that(f"{engine} has statements", made.returncode, 0)
        text[engine] = made.stdout
    check_duckdb(checks, text["duckdb"])
    for engine in ENGINES[1:]:
        check_grammar(checks, engine, text[engine])
    check_spark(checks, text["spark"], folder)
    server.shutdown()
    return checks


if __name__ == "__main__":
    sys.exit(run_scenario("ddl", scenario))
