"""`lakeward get` beside what people type instead: curl and DuckDB, requests and polars, a dlt script. One page, and 300 pages.

    get.py --lakeward BINARY [--bench-api BINARY] [--runs 5] [--rows 300000] [--page 1000]

Starts bench-api, the API of the other measurements (`--bench-api`), on a free port of 127.0.0.1, runs every system in turns in an empty folder, reads what each wrote back with
DuckDB, and prints medians of wall seconds, CPU seconds and peak memory as one table. What a Python package or a program is missing for is said
and left out. Compare the rows of one run with each other; figures of two machines say nothing.
"""

import argparse
import importlib.util
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

KEY = "bench"

CURL_DUCKDB = """
curl -sS -H "X-Api-Key: $API_KEY" "$API_URL?rows=$ROWS&limit=$LIMIT" -o page.json
"$PYTHON" -c "import duckdb; duckdb.sql(\\"COPY (SELECT unnest(r) FROM (SELECT unnest(data) AS r FROM read_json('page.json', maximum_object_size=100000000))) TO 'out.parquet' (FORMAT parquet, COMPRESSION zstd)\\")"
"""

CURL_PAGES_DUCKDB = """
for offset in $(seq 0 "$LIMIT" $((ROWS - 1))); do
  printf 'url="%s?rows=%s&limit=%s&offset=%s"\\noutput="page-%s.json"\\n' "$API_URL" "$ROWS" "$LIMIT" "$offset" "$offset"
done > urls
curl -sS -Z -H "X-Api-Key: $API_KEY" -K urls
"$PYTHON" -c "import duckdb; duckdb.sql(\\"COPY (SELECT unnest(r) FROM (SELECT unnest(data) AS r FROM read_json('page-*.json', maximum_object_size=100000000))) TO 'out.parquet' (FORMAT parquet, COMPRESSION zstd)\\")"
"""

POLARS = """
import os, polars, requests
session, env, records, offset = requests.Session(), os.environ, [], 0
while True:
    asked = {"rows": env["ROWS"], "limit": env["LIMIT"], "offset": offset}
    page = session.get(env["API_URL"], params=asked, headers={"X-Api-Key": env["API_KEY"]})
    page.raise_for_status()
    page = page.json()
    records += page["data"]
    offset += len(page["data"])
    if not page["meta"]["has_more"]:
        break
polars.DataFrame(records, infer_schema_length=None).write_parquet("out.parquet")
"""

DLT = """
import os, dlt
from dlt.sources.rest_api import rest_api_source
env = os.environ
source = rest_api_source({
    "client": {"base_url": env["API"], "auth": {"type": "api_key", "name": "X-Api-Key", "api_key": env["API_KEY"], "location": "header"}},
    "resources": [{"name": "customer_usage", "max_table_nesting": 0, "endpoint": {
        "path": "v1/customer_usage", "data_selector": "data", "params": {"rows": env["ROWS"]},
        "paginator": {"type": "offset", "limit": int(env["LIMIT"]), "total_path": "meta.total"}}}],
})
pipeline = dlt.pipeline("bench_get", destination=dlt.destinations.filesystem("file://" + os.getcwd() + "/lake"), dataset_name="d", pipelines_dir=os.getcwd() + "/p")
pipeline.run(source, loader_file_format="parquet")
"""


def systems(options, pages):
    """Each system: its name, what it needs, and its command."""
    python = sys.executable
    url = "$API_URL?rows=$ROWS&limit=$LIMIT"
    lakeward = f'"{options.lakeward}" get "{url}" --auth header:X-Api-Key=env:API_KEY -o out.parquet'
    curl = CURL_DUCKDB if pages == 1 else CURL_PAGES_DUCKDB
    return [
        ("lakeward get", [], ["sh", "-c", lakeward]),
        ("curl, DuckDB", ["curl", "duckdb"], ["sh", "-c", curl]),
        ("requests, polars", ["requests", "polars"], [python, "-c", POLARS]),
        ("dlt", ["dlt", "pyarrow"], [python, "-c", DLT]),
    ]


def missing(needs):
    is_there = lambda name: shutil.which(name) if name == "curl" else importlib.util.find_spec(name)  # noqa: E731
    return [name for name in needs if not is_there(name)]


def run(command, environment):
    """Runs a command in an empty folder: wall seconds, CPU seconds, peak memory in bytes, rows that it wrote."""
    with tempfile.TemporaryDirectory(prefix="bench-get-") as folder:
        began = time.perf_counter()
        with open(pathlib.Path(folder) / ".stderr", "w+") as said:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=said)
            # With the children that it has waited for.
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                said.seek(0)
                raise SystemExit(f"{command[:1]} failed ({process.returncode}):\n{said.read()[-2000:]}")
        cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
        return wall, cpu, peak, rows(pathlib.Path(folder))


def rows(folder):
    import duckdb

    files = [str(path) for place in ("out.parquet", "lake/d/customer_usage/*.parquet") for path in folder.glob(place)]
    return duckdb.sql(f"SELECT count(*) FROM read_parquet({files})").fetchall()[0][0] if files else 0


def serve(binary, total):
    """The bench API on a free port, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = subprocess.Popen([binary, "serve", "--rows", str(total), "--listen", f"127.0.0.1:{port}", "--api-key", KEY], stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{base}/stats", timeout=1):
                return api, base
        except urllib.error.HTTPError:
            return api, base
        except OSError:
            time.sleep(0.1)
    api.kill()
    raise SystemExit("the bench API does not answer")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lakeward", required=True)
    home = os.environ.get("PEERS_HOME", "/tmp/peers")
    options.add_argument("--bench-api", default=f"{home}/target/release/bench-api")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--rows", type=int, default=300_000)
    options.add_argument("--page", type=int, default=1_000)
    options = options.parse_args()
    options.lakeward = str(pathlib.Path(options.lakeward).resolve())
    if missing(["duckdb"]):
        raise SystemExit("what was written is read back with the Python package duckdb, which is missing")
    api, base = serve(options.bench_api, options.rows)
    try:
        print("| job | system | wall | CPU | peak memory |\n|---|---|---:|---:|---:|")
        for pages, total in ((1, options.page), (options.rows // options.page, options.rows)):
            environment = os.environ | {
                "API": base, "API_URL": f"{base}/v1/customer_usage", "API_KEY": KEY, "ROWS": str(total), "LIMIT": str(options.page), "PYTHON": sys.executable,
            }
            measured = {}
            listed = systems(options, pages)
            for name, needs, _ in listed:
                if lacking := missing(needs):
                    print(f"{name}: left out, since there is no {', '.join(lacking)}", file=sys.stderr)
            for _ in range(options.runs):
                for name, needs, command in listed:
                    if missing(needs):
                        continue
                    wall, cpu, peak, found = run(command, environment)
                    if found != total:
                        raise SystemExit(f"{name} wrote {found} rows, not {total}")
                    measured.setdefault(name, []).append((wall, cpu, peak))
            for name, figures in measured.items():
                wall, cpu, peak = (statistics.median(column) for column in zip(*figures))
                print(f"| {pages} page{'s' if pages > 1 else ''} of {options.page:,} | {name} | {wall:.2f} s | {cpu:.2f} s | {peak / 1e6:.0f} MB |")
    finally:
        api.terminate()
        api.wait()


if __name__ == "__main__":
    main()
