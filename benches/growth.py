"""What a lake costs as it grows: nights of an append, small merges into tables of more and more rows and files, opening tables of many files.

    growth.py BINARY [--nights 1000] [--rows 1000000] [--files 10000] [--bucket]

Starts an API of its own on 127.0.0.1, makes its lakes in a temporary folder, and prints tables of wall seconds, CPU seconds, peak memory and
what lies in the lake's own folder. With `--bucket` the lakes lie in a bucket of SeaweedFS (run it by `.venv-tests/bin/python`), and the
requests that a run makes of it are counted. Compare the rows of one run with each other; figures of two machines say nothing.
"""

import argparse
import contextlib
import http.server
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

# Nights around the one that is told, whose median counts.
AROUND = 5
# Rows of a folder, and changed rows of a merge into one.
FOLDER_ROWS = 100_000
CHANGED = 10_000
# Changed rows of one that is spread over all folders.
SPREAD = 100
PAGE_ROWS = 10_000


class Api(http.server.BaseHTTPRequestHandler):
    """`/night` has a thousand records past `since`; `/table` has `first` to `last`, in pages, each with the value `v`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802 - the name that http.server asks for
        url = urllib.parse.urlsplit(self.path)
        asked = {name: int(values[0]) for name, values in urllib.parse.parse_qs(url.query).items()}
        if url.path == "/night":
            records = [{"id": n, "at": n, "text": f"record {n}", "price": n % 977 / 8} for n in range(asked["since"] + 1, asked["since"] + 1001)]
            body = json.dumps(records)
        else:
            body = json.dumps(table_page(asked))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def table_page(asked: dict) -> dict:
    first, last, step, folders, value = (asked[name] for name in ("first", "last", "step", "folders", "v"))
    ids = range(first + asked["offset"] * step, last, step)[: asked["limit"]]
    records = [{"id": n, "folder": n * folders // max(asked["all"], 1), "v": value, "text": f"record {n}"} for n in ids]
    return {"data": records, "total": len(range(first, last, step))}


class Disk:
    """Where lakes lie: `./lake` of the folder that the run is in."""

    env: dict = {}

    def lake(self, folder: pathlib.Path) -> str:
        return "./lake"

    def files(self, folder: pathlib.Path, below: str) -> dict:
        """The files below a folder of the lake: their sizes, and what is another value once one is written anew."""
        found = ((file, file.stat()) for file in (folder / "lake" / below).rglob("*") if file.is_file())
        return {str(file): (facts.st_size, (facts.st_ino, facts.st_mtime_ns)) for file, facts in found}

    def requests(self) -> int:
        return 0


class Bucket:
    """The same in a bucket, behind a relay that counts requests: each signed one has one header with its time."""

    COUNTED = b"\r\nx-amz-date:"

    def __init__(self, folder: pathlib.Path):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
        import services

        self.bucket, self.weed, self.count, self.lock = services.BUCKET, services.SeaweedFs(folder), 0, threading.Lock()
        self.client = services.s3_client(self.weed.endpoint, self.weed.key, self.weed.secret)
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.relay, daemon=True).start()
        self.env = {"AWS_ENDPOINT": f"http://127.0.0.1:{self.listener.getsockname()[1]}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": self.weed.key, "AWS_SECRET_ACCESS_KEY": self.weed.secret}

    def relay(self) -> None:
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.weed.ports["s3.port"]))
            for source, target, is_asking in [(client, server, True), (server, client, False)]:
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pass_on, args=(source, target, is_asking), daemon=True).start()

    def pass_on(self, source, target, is_asking: bool) -> None:
        end = b""
        with contextlib.suppress(OSError):
            while part := source.recv(1 << 18):
                if is_asking:
                    text = end + part
                    with self.lock:
                        self.count += text.count(self.COUNTED)
                    end = text[1 - len(self.COUNTED):]
                target.sendall(part)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def lake(self, folder: pathlib.Path) -> str:
        return f"s3://{self.bucket}/{folder.name}"

    def files(self, folder: pathlib.Path, below: str) -> dict:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{folder.name}/{below}/")
        return {found["Key"]: (found["Size"], found["ETag"]) for page in pages for found in page.get("Contents", [])}

    def requests(self) -> int:
        with self.lock:
            return self.count


# Where the lakes of this run lie.
place = Disk()


def config(url: str, keys: str, path: str, endpoint: str, folder: pathlib.Path, more: str = "") -> str:
    return (f"name: growth\nclient: {{base_url: {url}}}\nlake: {{url: '{place.lake(folder)}'{more}}}\nresources:\n  - name: things\n    {keys}\n"
            f"    endpoint: {{path: '{path}', {endpoint}}}\n")


def run(binary: str, folder: pathlib.Path, text: str) -> tuple:
    """Wall seconds, CPU seconds, peak memory in MB, and requests of a bucket, of a run."""
    (folder / "lakeward.yaml").write_text(text)
    with (folder / "said").open("w") as said:
        before, started = place.requests(), time.monotonic()
        process = subprocess.Popen([binary, "run", "lakeward.yaml"], cwd=folder, stdout=said, stderr=said, env=os.environ | place.env)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if status != 0:
        raise SystemExit(f"growth: {(folder / 'said').read_text()}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, place.requests() - before


def data_files(folder: pathlib.Path) -> dict:
    return {path: facts for path, facts in place.files(folder, "things").items() if path.endswith(".parquet")}


def own(folder: pathlib.Path) -> tuple:
    """Files of the table, and files and kB of the lake's own folder."""
    files = place.files(folder, "_lakeward")
    return len(data_files(folder)), len(files), sum(size for size, _ in files.values()) // 1000


def median(costs: list) -> tuple:
    return tuple(statistics.median(cost[n] for cost in costs) for n in range(4))


def nights(binary: str, url: str, count: int, compact: str) -> None:
    print(f"\nA thousand rows appended each night, {count} nights, `lake.compact: {compact}`:\n")
    print("| night | wall s | CPU s | peak MB | requests | files of the table | files of the lake's own | kB |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder, costs = pathlib.Path(name), []
        endpoint = "paginator: single_page, incremental: {cursor_path: at, start_param: since, initial_value: 0}"
        text = config(url, "write_disposition: append", "/night", endpoint, folder, f", compact: {compact}")
        for night in range(1, count + 1):
            costs.append(run(binary, folder, text))
            if night in (10, 100, 300, count) or night % 500 == 0:
                print("| {} | {:.3f} | {:.3f} | {:.0f} | {:.0f} | {} | {} | {} |".format(night, *median(costs[-AROUND:]), *own(folder)), flush=True)


class Table:
    """A table of so many rows in so many folders, merged by key."""

    def __init__(self, binary: str, url: str, folder: pathlib.Path, rows: int, folders: int):
        self.binary, self.url, self.folder, self.rows, self.folders, self.value = binary, url, folder, rows, folders, 0

    def load(self, first: int, last: int, step: int) -> tuple:
        """What it costs to load some of the records with a new value, how many files are written for it, and how many there are."""
        keys = "primary_key: id\n    write_disposition: merge\n    partition_by: [folder]"
        endpoint = f"data_selector: data, paginator: {{type: offset, limit: {PAGE_ROWS}, total_path: total}}"
        path = f"/table?v={self.value}&first={first}&last={last}&step={step}&folders={self.folders}&all={self.rows}"
        before = data_files(self.folder)
        cost = run(self.binary, self.folder, config(self.url, keys, path, endpoint, self.folder))
        after = data_files(self.folder)
        self.value += 1
        return cost, sum(before.get(path) != facts for path, facts in after.items()), len(after)


def merges(binary: str, url: str, rows: int) -> None:
    print(f"\nChanged rows merged into tables with folders of {FOLDER_ROWS:,} rows: {CHANGED:,} of one folder, or {SPREAD} spread over all; medians of {AROUND}:\n")
    print("| rows | folders | changed | wall s | CPU s | peak MB | requests | files written of all |")
    print("|--:|--:|---|--:|--:|--:|--:|---|")
    for size in (rows // 100, rows // 10, rows):
        folders = max(size // FOLDER_ROWS, 1)
        with tempfile.TemporaryDirectory(prefix="growth-") as name:
            table = Table(binary, url, pathlib.Path(name), size, folders)
            table.load(0, size, 1)
            for words, last, step in [("one folder", min(CHANGED, size), 1), ("spread", size, max(size // SPREAD, 1))]:
                loads = [table.load(0, last, step) for _ in range(AROUND)]
                wall, cpu, memory, requests = median([cost for cost, _, _ in loads])
                print(f"| {size:,} | {folders} | {words} | {wall:.2f} | {cpu:.3f} | {memory:.0f} | {requests:.0f} | {loads[0][1]} of {loads[0][2]} |", flush=True)


def openings(binary: str, url: str, files: int) -> None:
    print(f"\nTwenty changed rows merged into tables of more and more files, each in a folder of its own; medians of {AROUND}:\n")
    print("| files | wall s | CPU s | peak MB | requests | peak MB of the first load |")
    print("|--:|--:|--:|--:|--:|--:|")
    for count in (10, files // 10, files):
        with tempfile.TemporaryDirectory(prefix="growth-") as name:
            table = Table(binary, url, pathlib.Path(name), 2 * files, count)
            (_, _, first, _), _, _ = table.load(0, 2 * files, 1)
            wall, cpu, memory, requests = median([table.load(0, 20, 1)[0] for _ in range(AROUND)])
            print(f"| {count:,} | {wall:.2f} | {cpu:.3f} | {memory:.0f} | {requests:.0f} | {first:.0f} |", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(prog="growth.py")
    asked.add_argument("binary")
    asked.add_argument("--nights", type=int, default=1000)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--files", type=int, default=10_000)
    asked.add_argument("--bucket", action="store_true")
    asked = asked.parse_args()
    binary = str(pathlib.Path(asked.binary).resolve())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with contextlib.ExitStack() as stack:
        if asked.bucket:
            global place
            place = Bucket(pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="growth-bucket-"))))
            stack.enter_context(place.weed.running())
        for compact in ("never", "auto"):
            nights(binary, url, asked.nights, compact)
        merges(binary, url, asked.rows)
        openings(binary, url, asked.files)
    server.shutdown()


if __name__ == "__main__":
    main()
