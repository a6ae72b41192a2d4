"""examples/airflow/shards.py, run by a real Airflow: its tables are those of one run.

    scenario.py BINARY [FOLDER]

The DAG is the one of the example, with a config of this scenario's API. Airflow comes from PyPI into `.venv-airflow`, which is kept.
"""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "readers")]

import duckdb

from checks import Checks, JsonHandler, run_scenario
from environments import stamped

KEPT = ROOT / ".venv-airflow"
CUSTOMERS = 7

CONFIG = """\
name: shop
client: {{base_url: "{url}"}}
lake: {{url: ./{lake}}}
resources:
  - {{name: customers, primary_key: id, write_disposition: merge, endpoint: {{path: customers, paginator: single_page, data_selector: data}}}}
  - name: orders
    primary_key: id
    write_disposition: merge
    endpoint: {{path: "customers/{{resources.customers.id}}/orders", paginator: single_page, data_selector: data}}
"""


class Shop(JsonHandler):
    """Customers, and three orders of each."""

    asked = 0

    def do_GET(self) -> None:
        Shop.asked += 1
        parts = self.path.strip("/").split("/")
        if parts == ["customers"]:
            records = [{"id": number, "name": f"c{number}"} for number in range(CUSTOMERS)]
        else:
            records = [{"id": int(parts[1]) * 10 + number, "of": int(parts[1])} for number in range(3)]
        self.answer(200, json.dumps({"data": records}).encode())


def airflow() -> pathlib.Path:
    """Airflow's command, installed when it is asked for."""
    def make() -> None:
        subprocess.run([sys.executable, "-m", "venv", KEPT / "venv"], check=True)
        subprocess.run([KEPT / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt"], check=True)

    stamped(KEPT, [HERE / "requirements.txt"], sys.version, make)
    return KEPT / "venv/bin/airflow"


def rows(lake: pathlib.Path, table: str) -> list:
    return duckdb.sql(f"select * from read_parquet('{lake}/{table}/*.parquet') order by id").fetchall()


def scenario(binary: pathlib.Path, folder: pathlib.Path) -> Checks:
    checks, command = Checks(), airflow()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        for lake in ["whole", "sharded"]:
            (folder / f"{lake}.yaml").write_text(CONFIG.format(url=url, lake=lake))
        subprocess.run([binary, "run", folder / "whole.yaml"], check=True, capture_output=True)
        requests, Shop.asked = Shop.asked, 0
        dags = folder / "airflow/dags"
        dags.mkdir(parents=True)
        example = (ROOT / "examples/airflow/shards.py").read_text()
        named = example.replace('"/srv/billing/billing.yaml"', repr(str(folder / "sharded.yaml"))).replace("SHARDS = 8", "SHARDS = 3")
        checks.that("the example has what this scenario sets", named == example, False)
        (dags / "shards.py").write_text(named)
        (folder / "bin").mkdir()
        (folder / "bin/lakeward").symlink_to(binary)
        env = {**os.environ, "AIRFLOW_HOME": str(folder / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
               "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run([command, "db", "migrate"], check=True, capture_output=True, env=env)
        ran = subprocess.run([command, "dags", "test", "billing_in_shards", "2026-11-01"], capture_output=True, text=True, env=env)
        checks.that(f"the DAG succeeds: {ran.stdout[-300:] if ran.returncode else ''}", ran.returncode, 0)
        for table, count in [("customers", CUSTOMERS), ("orders", 3 * CUSTOMERS)]:
            found = rows(folder / "sharded", table)
            checks.that(f"{table}: as many rows as there are", len(found), count)
            checks.that(f"{table}: the rows of one run", found, rows(folder / "whole", table))
        checks.that("the API was asked what one run asks", Shop.asked, requests)
        server.shutdown()
    return checks


if __name__ == "__main__":
    sys.exit(run_scenario("airflow", scenario))
