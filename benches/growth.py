"""What a lake costs as it grows: nights of an append, small merges into tables of more and more rows and files, opening tables of many files.

    growth.py BINARY [--nights 1000] [--rows 1000000] [--files 10000]

Starts an API of its own on 127.0.0.1, makes its lakes in a temporary folder, and prints tables of wall seconds, CPU seconds, peak memory and
what lies in the lake's own folder. Compare the rows of one run with each other; figures of two machines say nothing.
"""

import argparse
import http.server
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.parse

# Nights around the one that is told, whose median counts.
AROUND = 5
# Changed rows of a merge into one folder, and rows of a folder.
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


def config(url: str, keys: str, path: str, endpoint: str) -> str:
    return (f"name: growth\nclient: {{base_url: {url}}}\nlake: {{url: ./lake}}\nresources:\n  - name: things\n    {keys}\n"
            f"    endpoint: {{path: '{path}', {endpoint}}}\n")


def run(binary: str, folder: pathlib.Path, text: str) -> tuple:
    """Wall seconds, CPU seconds and peak memory in MB of a run."""
    (folder / "lakeward.yaml").write_text(text)
    with (folder / "said").open("w") as said:
        started = time.monotonic()
        process = subprocess.Popen([binary, "run", "lakeward.yaml"], cwd=folder, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if status != 0:
        raise SystemExit(f"growth: {(folder / 'said').read_text()}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def own(folder: pathlib.Path) -> tuple:
    """Files of the table, and files and kB of the lake's own folder."""
    data = sum(1 for _ in (folder / "lake/things").rglob("*.parquet"))
    files = [file for file in (folder / "lake/_lakeward").rglob("*") if file.is_file()]
    return data, len(files), sum(file.stat().st_size for file in files) // 1000


def median(costs: list) -> tuple:
    return tuple(statistics.median(cost[n] for cost in costs) for n in range(3))


def nights(binary: str, url: str, count: int, compact: str) -> None:
    print(f"\nA thousand rows appended each night, {count} nights, `lake.compact: {compact}`:\n")
    print("| night | wall s | CPU s | peak MB | files of the table | files of the lake's own | kB |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder, costs = pathlib.Path(name), []
        endpoint = "paginator: single_page, incremental: {cursor_path: at, start_param: since, initial_value: 0}"
        text = config(url, "write_disposition: append", "/night", endpoint).replace("./lake}", f"./lake, compact: {compact}}}")
        for night in range(1, count + 1):
            costs.append(run(binary, folder, text))
            if night in (10, 100, 300, count) or night % 500 == 0:
                print("| {} | {:.3f} | {:.3f} | {:.0f} | {} | {} | {} |".format(night, *median(costs[-AROUND:]), *own(folder)), flush=True)


class Table:
    """A table of so many rows in so many folders, merged by key."""

    def __init__(self, binary: str, url: str, folder: pathlib.Path, rows: int, folders: int):
        self.binary, self.url, self.folder, self.rows, self.folders, self.value = binary, url, folder, rows, folders, 0

    def load(self, first: int, last: int, step: int) -> tuple:
        """What it costs to load some of the records with a new value, how many files are written for it, and how many there are."""
        keys = "primary_key: id\n    write_disposition: merge\n    partition_by: [folder]"
        endpoint = f"data_selector: data, paginator: {{type: offset, limit: {PAGE_ROWS}, total_path: total}}"
        path = f"/table?v={self.value}&first={first}&last={last}&step={step}&folders={self.folders}&all={self.rows}"
        before = mtimes(self.folder)
        cost = run(self.binary, self.folder, config(self.url, keys, path, endpoint))
        after = mtimes(self.folder)
        self.value += 1
        return cost, sum(before.get(path) != time for path, time in after.items()), len(after)


def merges(binary: str, url: str, rows: int) -> None:
    print(f"\nChanged rows merged into tables with folders of {CHANGED:,} rows: those of one folder, or {SPREAD} spread over all; medians of {AROUND}:\n")
    print("| rows | folders | changed | wall s | CPU s | peak MB | files written of all |")
    print("|--:|--:|---|--:|--:|--:|---|")
    for size in (rows // 100, rows // 10, rows):
        folders = max(size // CHANGED, 1)
        with tempfile.TemporaryDirectory(prefix="growth-") as name:
            table = Table(binary, url, pathlib.Path(name), size, folders)
            table.load(0, size, 1)
            for words, last, step in [("one folder", min(CHANGED, size), 1), ("spread", size, max(size // SPREAD, 1))]:
                loads = [table.load(0, last, step) for _ in range(AROUND)]
                wall, cpu, memory = median([cost for cost, _, _ in loads])
                print(f"| {size:,} | {folders} | {words} | {wall:.2f} | {cpu:.3f} | {memory:.0f} | {loads[0][1]} of {loads[0][2]} |", flush=True)


def openings(binary: str, url: str, files: int) -> None:
    print(f"\nTwenty changed rows merged into tables of more and more files, each in a folder of its own; medians of {AROUND}:\n")
    print("| files | wall s | CPU s | peak MB | peak MB of the first load |")
    print("|--:|--:|--:|--:|--:|")
    for count in (10, files // 10, files):
        with tempfile.TemporaryDirectory(prefix="growth-") as name:
            table = Table(binary, url, pathlib.Path(name), 2 * files, count)
            (_, _, first), _, _ = table.load(0, 2 * files, 1)
            wall, cpu, memory = median([table.load(0, 20, 1)[0] for _ in range(AROUND)])
            print(f"| {count:,} | {wall:.2f} | {cpu:.3f} | {memory:.0f} | {first:.0f} |", flush=True)


def mtimes(folder: pathlib.Path) -> dict:
    return {str(file): (os.stat(file).st_ino, os.stat(file).st_mtime_ns) for file in (folder / "lake/things").rglob("*.parquet")}


def main() -> None:
    asked = argparse.ArgumentParser(prog="growth.py")
    asked.add_argument("binary")
    asked.add_argument("--nights", type=int, default=1000)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--files", type=int, default=10_000)
    asked = asked.parse_args()
    binary = str(pathlib.Path(asked.binary).resolve())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    for compact in ("never", "auto"):
        nights(binary, url, asked.nights, compact)
    merges(binary, url, asked.rows)
    openings(binary, url, asked.files)
    server.shutdown()


if __name__ == "__main__":
    main()
