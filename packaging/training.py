"""The load from which the compiler learns what lakeward does often: nights of many pages, as JSON and CSV, from an API on 127.0.0.1.

In: a lakeward, and an empty folder to work in. Out: nothing but what the program writes of itself. It ends with an error when one of its commands does.
"""

import datetime
import http.server
import json
import os
import pathlib
import subprocess
import threading
import urllib.parse
import uuid

RECORDS = 60_000
PAGE = 500
CHANGED_EVERY = 20
ADDED = 1_000

CONFIG = """\
name: training
client:
  base_url: ${TRAINING_URL}
resource_defaults:
  write_disposition: merge
  endpoint:
    data_selector: data
    paginator: {type: offset, limit: %d}
resources:
  - name: flat
    primary_key: id
    endpoint: {path: /usage}
  - name: by_month
    primary_key: id
    endpoint: {path: /usage}
    partition_by: [{column: created_at, transform: month}]
  - name: appended
    write_disposition: append
    endpoint: {path: /usage}
  - name: listed
    write_disposition: replace
    endpoint: {path: /usage, paginator: {type: page_number, base_page: 1, page_param: page, total_path: pages}}
  - name: rows
    write_disposition: replace
    endpoint: {path: /usage.csv, data_selector: null, paginator: single_page, response_format: {type: csv}}
lake:
  url: ./lake
""" % PAGE


def record(index: int, night: int) -> dict:
    """One record of a night: every kind of value that tables have, and texts with escapes and without."""
    word = index * 2_654_435_761 % 2**32
    changed = night == 2 and index % CHANGED_EVERY == 0
    created = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=index * 131)
    updated = created + datetime.timedelta(days=60 if changed else word % 40)
    text = "plain words about a call that was made" if word % 7 else 'a "quoted" line\nwith an ünïcode ✓ and a \\ backslash'
    return {
        "id": str(uuid.UUID(int=(word << 96) + index)),
        "customer_id": f"cust_{word % 4000:06}",
        "sequence": index,
        "status": ("active", "pending", "closed", "failed")[word % 4],
        "region": f"eu-west-{word % 3}",
        "units": word % 10_000 + changed,
        "ratio": (word % 1_000_003) / 997,
        "amount": f"{word % 1_000_000 / 100:.2f}",
        "cents": word % 1_000_000,
        "is_billable": word % 3 == 0,
        "created_at": created.isoformat().replace("+00:00", "Z"),
        "updated_at": updated.isoformat(timespec="microseconds"),
        "closed_at": None if word % 2 else (created + datetime.timedelta(hours=5)).isoformat(),
        "day": created.date().isoformat(),
        "note": None if word % 5 else text,
        "description": f"{text} {word}",
        "charge": {"currency": "EUR", "net": word % 7919 / 100, "tax": {"rate": 0.19, "is_reverse": word % 11 == 0}},
        "groups": [{"name": f"group {number}", "weight": number * 3} for number in range(word % 4)],
        "tags": [f"tag-{word % 17}", "shared"][: word % 3],
    }


class Api(http.server.BaseHTTPRequestHandler):
    """Serves the records of the night that `night` says."""

    protocol_version = "HTTP/1.1"
    night = 1
    records: dict[int, list[str]] = {}

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        records = Api.records[Api.night]
        if url.path == "/usage.csv":
            rows = (json.loads(text) for text in records[:20_000])
            lines = (f"{row['id']},{row['units']},{row['amount']},{row['created_at']},\"{row['status']}, said\"" for row in rows)
            return self.answer("text/csv", "id,units,amount,created_at,status\r\n" + "\r\n".join(lines) + "\r\n")
        limit = min(int(query.get("limit", PAGE)), PAGE)
        start = (int(query["page"]) - 1) * limit if "page" in query else int(query.get("offset", 0))
        data = ",".join(records[start : start + limit])
        pages = -(-len(records) // limit)
        self.answer("application/json", f'{{"data":[{data}],"total":{len(records)},"pages":{pages},"limit":{limit},"offset":{start}}}')

    def answer(self, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def train(lakeward: pathlib.Path, folder: pathlib.Path) -> None:
    """Plays the demo, two nights of a config and some exports."""
    for night, count in ((1, RECORDS), (2, RECORDS + ADDED)):
        Api.records[night] = [json.dumps(record(index, night), separators=(",", ":")) for index in range(count)]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    environment = {**os.environ, "TRAINING_URL": url, "LAKEWARD_LOG": "warn"}
    (folder / "training.yaml").write_text(CONFIG)

    def run(*arguments: str) -> None:
        ended = subprocess.run([lakeward, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if ended.returncode != 0:
            raise SystemExit(f"lakeward {' '.join(arguments)} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")

    run("demo")
    run("run", "training.yaml")
    Api.night = 2
    run("run", "training.yaml")
    run("verify", "training.yaml", "--deep")
    run("diff", "training.yaml", "1", "2")
    for output in ("usage.parquet", "usage.csv", "usage.ndjson"):
        run("get", f"{url}/usage", "--records", "data", "-o", output)
    server.shutdown()
