"""What a lake costs as it grows: nights of an append, and small merges into tables of more and more rows and files.

    growth.py BINARY [--nights 1000] [--rows 1000000]

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
import urllib.parse

# Nights around the one that is told, whose median counts.
AROUND = 5
# Changed rows of a small merge.
CHANGED = 10_000
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
    command = ["/usr/bin/time", "-f", "%e %U %S %M", binary, "run", "lakeward.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"growth: {done.stderr}")
    wall, user, system, memory = map(float, done.stderr.strip().splitlines()[-1].split())
    return wall, user + system, memory / 1024


def own(folder: pathlib.Path) -> tuple:
    """Files of the table, and files and kB of the lake's own folder."""
    data = sum(1 for _ in (folder / "lake/things").rglob("*.parquet"))
    files = [file for file in (folder / "lake/_lakeward").rglob("*") if file.is_file()]
    return data, len(files), sum(file.stat().st_size for file in files) // 1000


def nights(binary: str, url: str, count: int) -> None:
    print(f"\nA thousand rows appended each night, {count} nights:\n")
    print("| night | wall s | CPU s | peak MB | files of the table | files of the lake's own | kB |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder, costs = pathlib.Path(name), []
        endpoint = "paginator: single_page, incremental: {cursor_path: at, start_param: since, initial_value: 0}"
        text = config(url, "write_disposition: append", "/night", endpoint)
        for night in range(1, count + 1):
            costs.append(run(binary, folder, text))
            if night in (10, 100, 300, count) or night % 500 == 0:
                wall, cpu, memory = (statistics.median(cost[n] for cost in costs[-AROUND:]) for n in range(3))
                print("| {} | {:.3f} | {:.3f} | {:.0f} | {} | {} | {} |".format(night, wall, cpu, memory, *own(folder)), flush=True)


def merges(binary: str, url: str, rows: int) -> None:
    print(f"\n{CHANGED:,} changed rows merged, neighbours of one folder or spread over all:\n")
    print("| rows | folders | changed | wall s | CPU s | peak MB | files written of all |")
    print("|--:|--:|---|--:|--:|--:|---|")
    for size, folders in [(rows // 10, 1), (rows, 1), (rows, 100), (rows, 1000)]:
        with tempfile.TemporaryDirectory(prefix="growth-") as name:
            folder = pathlib.Path(name)
            keys = "primary_key: id\n    write_disposition: merge\n    partition_by: [folder]"
            endpoint = f"data_selector: data, paginator: {{type: offset, limit: {PAGE_ROWS}, total_path: total}}"

            def load(value: int, first: int, last: int, step: int) -> tuple:
                path = f"/table?v={value}&first={first}&last={last}&step={step}&folders={folders}&all={size}"
                before = mtimes(folder)
                cost = run(binary, folder, config(url, keys, path, endpoint))
                after = mtimes(folder)
                return cost, sum(before.get(path) != time for path, time in after.items()), len(after)

            load(0, 0, size, 1)
            for value, (words, first, last, step) in enumerate(
                [("neighbours", 0, min(CHANGED, size), 1), ("spread", 0, size, max(size // CHANGED, 1))], start=1
            ):
                (wall, cpu, memory), written, files = load(value, first, last, step)
                print(f"| {size:,} | {folders} | {words} | {wall:.2f} | {cpu:.2f} | {memory:.0f} | {written} of {files} |", flush=True)


def mtimes(folder: pathlib.Path) -> dict:
    return {str(file): (os.stat(file).st_ino, os.stat(file).st_mtime_ns) for file in (folder / "lake/things").rglob("*.parquet")}


def main() -> None:
    asked = argparse.ArgumentParser(prog="growth.py")
    asked.add_argument("binary")
    asked.add_argument("--nights", type=int, default=1000)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked = asked.parse_args()
    binary = str(pathlib.Path(asked.binary).resolve())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    nights(binary, url, asked.nights)
    merges(binary, url, asked.rows)
    server.shutdown()


if __name__ == "__main__":
    main()
