"""The pages of `report` and `ui` in a real browser: Debian's Chromium, with axe for accessibility, with and without JavaScript, light and dark.

    scenario.py LAKEWARD [FOLDER] [--large]

LAKEWARD is the binary. FOLDER, by default a temporary one, is where everything goes, screenshots too; it stays when it is named. Needs Chromium (the
Debian package `chromium`) and npm, which installs what `package.json` pins. With `--large` also a lake of 300 tables and 2,000 runs, and how long each page of it takes.
"""

import datetime
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from checks import Checks, JsonHandler, run_scenario  # noqa: E402

NIGHTS = 30


class Api(JsonHandler):
    """Orders with a record that is no row, events of many days, and customers that are not there."""

    night = 0

    def do_GET(self):  # noqa: N802
        night = type(self).night
        path = self.path.split("?")[0]
        if path == "/orders":
            rows = [{"id": i, "price": i * 3 % 97, "note": f"note {i}", "at": f"2026-11-{1 + i % 28:02d}"} for i in range(200 + night * 10)]
            rows.append({"id": 9_000 + night, "price": "dear <b>&amp;</b>", "at": "2026-11-01"})
        elif path == "/events":
            rows = [{"id": i, "day": f"2026-{1 + i % 11:02d}-{1 + i % 27:02d}", "kind": ["a", "b"][i % 2]} for i in range(300)]
            if night > 1:
                rows = [row | {"extra": {"n": row["id"] / 7}} for row in rows]
        elif path.startswith("/t"):
            rows = [{"id": i, "name": f"{path} {i}"} for i in range(5)]
        else:
            return self.answer(404, b'{"error": "Not Found"}')
        return self.answer(200, json.dumps(rows).encode())


def resource(name: str, more: str = "") -> str:
    return (f"  - {{name: {name}, primary_key: id, write_disposition: merge, endpoint: {{path: /{name}, data_selector: $, paginator: single_page}}{more}}}\n")


def nights_of(lake: pathlib.Path, pipeline: str, count: int) -> None:
    """Makes reports of so many nights before the last run out of its report."""
    folder = lake / "_lakeward" / pipeline / "runs"
    newest = sorted(folder.iterdir())[-1]
    report = json.loads(newest.read_text())
    began = datetime.datetime.fromisoformat(report["started"].replace("Z", "+00:00"))
    for night in range(1, count):
        older = json.loads(json.dumps(report))
        started = began - datetime.timedelta(days=night)
        run = f"{started:%Y-%m-%dT%H-%M-%SZ}-{night:06x}"
        older |= {"run_id": run, "started": started.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "seconds": 30 + night % 7 * 11}
        for table in older["tables"].values():
            for key in ("started", "pages_in", "ended"):
                table.pop(key, None)
            if table["status"] == "published":
                table |= {"rows_inserted": night * 37 % 101, "table_rows": 10_000 - night * 111}
        (folder / f"{run}.json").write_text(json.dumps(older))


def make(binary, folder, name, resources, url, nights) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lakeward.yaml").write_text(f"name: {name}\nclient: {{base_url: {url}, retry: {{max_retries: 0}}}}\nlake: {{url: ./lake}}\nresources:\n{resources}")
    for Api.night in range(nights):
        subprocess.run([binary, "run", "lakeward.yaml"], cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=600)
    return folder / "lake"


def serve(binary, lake) -> tuple:
    """A running `lakeward ui`, and its address."""
    process = subprocess.Popen([binary, "ui", lake], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    return process, process.stdout.readline().strip()


def npm_install() -> None:
    if not (HERE / "node_modules/playwright-core").exists():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=HERE, check=True)


def scenario(binary: pathlib.Path, folder: pathlib.Path) -> Checks:
    checks = Checks()
    npm_install()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    checks.that("Chromium is there (the Debian package `chromium`)", chromium is not None, True)
    if not chromium:
        return checks
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    more = ", on_reject: quarantine, max_rejects: 9, columns: {price: {data_type: bigint}, note: {data_type: text, description: what the seller wrote}}"
    resources = resource("orders", more) + resource("events", ", partition_by: [day]") + resource("customers")
    lake = make(binary, folder / "small", "billing", resources, url, 4)
    nights_of(lake, "billing", NIGHTS)
    made = subprocess.run([binary, "report", lake, "-o", folder / "lake.html", "--sample"], capture_output=True, text=True)
    checks.that("the report is made", (made.returncode, made.stderr if made.returncode else ""), (0, ""))
    process, address = serve(binary, lake)
    try:
        # The browser says what it found, a line each.
        looked = subprocess.run(["node", HERE / "look.mjs", chromium, address, (folder / "lake.html").as_uri(), folder],
                                capture_output=True, text=True, timeout=300)
        for line in looked.stdout.splitlines():
            outcome = json.loads(line)
            checks.that(outcome["name"], outcome["ok"] or outcome.get("why", ""), True)
        checks.that("the browser came to its end", looked.stderr[-600:] if looked.returncode else "", "")
    finally:
        process.kill()
    if LARGE:
        large(checks, binary, folder, url)
    server.shutdown()
    return checks


def large(checks: Checks, binary: pathlib.Path, folder: pathlib.Path, url: str) -> None:
    resources = "".join(resource(f"t{number:03d}") for number in range(300))
    lake = make(binary, folder / "large", "wide", resources, url, 1)
    nights_of(lake, "wide", 2_000)
    for arguments in (["status", lake, "--json"], ["runs", lake], ["report", lake, "-o", folder / "large.html"]):
        started = time.monotonic()
        done = subprocess.run([binary, *arguments], capture_output=True)
        print(f"{arguments[0]}: {time.monotonic() - started:.2f} s, exit {done.returncode}", flush=True)
        checks.that(f"{arguments[0]} of 300 tables and 2,000 runs", done.returncode, 0)
    process, address = serve(binary, lake)
    try:
        for path in ("", "table/wide/t007", "runs/wide", "runs/wide?before=2026-01"):
            started = time.monotonic()
            with urllib.request.urlopen(address + path) as answer:
                size = len(answer.read())
            print(f"ui /{path}: {time.monotonic() - started:.2f} s, {size:,} bytes", flush=True)
    finally:
        process.kill()


if __name__ == "__main__":
    LARGE = "--large" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--large"]
    sys.exit(run_scenario("ui", scenario))
