"""Writes the tables of `tables.py` with lakeward, from an API on 127.0.0.1.

In: the binary and an empty folder. Out: the folder of each table. Tables that ask for the same keys of `lake` are one pipeline, which
runs as many nights as its tables have, and is rolled back where they say so.
"""

import contextlib
import http.server
import itertools
import json
import pathlib
import subprocess
import sys
import textwrap
import threading
import urllib.parse

import tables

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent)]

from checks import JsonHandler  # noqa: E402


class Api(JsonHandler):
    """One list a table, of the night at hand."""

    night = 0

    def do_GET(self):  # noqa: N802 - the name that the library calls
        name = urllib.parse.urlsplit(self.path).path.strip("/")
        nights = next(table.nights for table in tables.TABLES if table.name == name)
        self.answer(200, f'{{"data":{tables.dump(nights[min(Api.night, len(nights) - 1)])}}}'.encode())


@contextlib.contextmanager
def api():
    """The API's URL, while the block lasts."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def config(url: str, folder: pathlib.Path, group: list) -> str:
    lake = {"url": str(folder / "lake"), **dict(group[0].lake)}
    resources = "".join(
        f"  - name: {table.name}\n" + textwrap.indent(f"endpoint: {{path: /{table.name}}}\n{table.resource}".rstrip(), "    ") + "\n" for table in group)
    return (f"name: matrix\nclient: {{base_url: '{url}', paginator: single_page}}\n"
            f"resource_defaults: {{primary_key: id, write_disposition: merge, endpoint: {{data_selector: data}}}}\n"
            f"resources:\n{resources}lake: {json.dumps(lake)}\n")


def command(*words) -> None:
    """Runs lakeward, and insists on a green end."""
    run = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=600)
    if run.returncode != 0:
        raise RuntimeError(f"{words[1]} ended with {run.returncode}:\n{run.stdout[-3000:]}\n{run.stderr[-5000:]}")


def write(binary: str, folder: pathlib.Path) -> dict:
    """Table names and folders."""
    written = {}
    key = lambda table: (table.lake, table.back_to)
    with api() as url:
        for number, (_, members) in enumerate(itertools.groupby(sorted(tables.TABLES, key=key), key)):
            group = list(members)
            place = folder / str(number)
            place.mkdir(parents=True)
            (place / "config.yaml").write_text(config(url, place, group))
            for Api.night in range(max(len(table.nights) for table in group)):
                command(binary, "run", place / "config.yaml")
            if group[0].back_to:
                command(binary, "rollback", place / "config.yaml", "--to", group[0].back_to)
            for table in group:
                files = sum(1 for _ in (place / "lake" / table.name).rglob("*.parquet"))
                if files < table.least_files:
                    raise RuntimeError(f"{table.name} has {files} files, not {table.least_files} or more")
                manifests = (place / "lake/_lakeward").rglob(f"manifest/{table.name}-*.json")
                if table.is_spliced and not any(file["checksum"].count("@") == 2 for path in manifests for file in json.loads(path.read_text())["files"]):
                    raise RuntimeError(f"no file of {table.name} got columns twice behind its own bytes")
            written |= {table.name: place / "lake" / table.name for table in group}
    return written
