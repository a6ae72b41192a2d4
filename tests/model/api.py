"""The loopback API of the model test: serves what the worlds have, page by page, and misbehaves as it is told.

In: resources (`world.Resource`) and tonight's `Trouble`s. Out: an HTTP server on 127.0.0.1.
"""

import collections
import csv
import dataclasses
import io
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from reference import instant
from world import EPOCH, field


@dataclasses.dataclass
class Trouble:
    """What goes wrong with a resource's requests from the `first` one on, `times` times."""

    kind: str  # a status code, "cut" (the body breaks off), "reset", or "expire" (the credential counts no more)
    first: int
    times: int


class Api:
    """The server; `resources` and `troubles` may be replaced between two runs."""

    def __init__(self):
        self.resources, self.troubles, self.counts = {}, {}, {}
        # For each pipeline: the number of its token that counts, and whether none counts any more tonight.
        self.grants: collections.Counter = collections.Counter()
        self.revoked: set = set()
        self.lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):  # noqa: N802 - http.server's name
                api.answer(self)

            def do_POST(self):  # noqa: N802
                api.grant(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                """A client that was killed is no error of the server."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def tonight(self, resources: list, troubles: dict) -> None:
        self.resources = {r.name: r for r in resources}
        self.troubles, self.counts = troubles, {}
        self.revoked.clear()

    def grant(self, request: BaseHTTPRequestHandler) -> None:
        """The token that counts, for the pipeline that asks."""
        form = dict(urllib.parse.parse_qsl(request.rfile.read(int(request.headers["Content-Length"])).decode()))
        token = f"grant-{self.grants[form['client_id']]}-of-{form['client_id']}"
        send(request, 200, {}, json.dumps({"access_token": token, "token_type": "bearer"}).encode())

    def is_known(self, resource, header: str | None) -> bool:
        if resource.auth is None:
            return True
        if resource.world in self.revoked:
            return False
        token = "token" if resource.auth == "bearer" else f"grant-{self.grants[resource.world]}"
        return header == f"Bearer {token}-of-{resource.world}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        url = urllib.parse.urlsplit(request.path)
        name, *rest = url.path.strip("/").split("/")
        parent = urllib.parse.unquote(rest[0]) if rest else ""
        query = dict(urllib.parse.parse_qsl(url.query))
        resource = self.resources[name]
        with self.lock:
            count = self.counts[name] = self.counts.get(name, 0) + 1
            trouble = self.troubles.get(name)
            hit = trouble is not None and trouble.first <= count < trouble.first + trouble.times
            if hit and trouble.kind == "expire":
                # A token that is asked for can be renewed, another one is gone for good.
                hit = False
                if resource.auth == "bearer":
                    self.revoked.add(resource.world)
                else:
                    self.grants[resource.world] += 1
            is_known = self.is_known(resource, request.headers["Authorization"])
        if hit and trouble.kind == "reset":
            request.close_connection = True
            request.connection.close()
            return
        status, headers, body = 200, {}, ""
        if not is_known:
            status, body = 401, '{"error": "who is this?"}'
        elif hit and trouble.kind != "cut":
            status, body = int(trouble.kind), '{"error": "not tonight"}'
        elif not resource.is_there(parent):
            status, body = 404, '{"error": "not here"}'
        else:
            headers, body = page(resource, parent, query, self.url + url.path)
        send(request, status, headers, body.encode(), hit and trouble.kind == "cut")


def send(request: BaseHTTPRequestHandler, status: int, headers: dict, data: bytes, is_cut: bool = False) -> None:
    request.send_response(status)
    for header, value in ({"Content-Type": "application/json"} | headers | {"Content-Length": str(len(data))}).items():
        request.send_header(header, value)
    request.end_headers()
    if is_cut:
        data = data[: len(data) // 2]
        request.close_connection = True
    request.wfile.write(data)


def cursor(text: str) -> int:
    """The cursor of a request, however it is spelled."""
    if moment := instant(text) if "T" in text else None:
        return int((moment - EPOCH).total_seconds() // 3600)
    return int(float(text))


def page(resource, parent: str, query: dict, url: str) -> tuple:
    """Headers and body of one page, in the form of the resource's paginator."""
    records = resource.slice(parent)
    if resource.filters and "since" in query:
        records = [r for r in records if r.is_bad or r.cursor >= cursor(query["since"])]
    size, kind = resource.page_size, resource.paginator
    if kind == "single_page":
        start, size = 0, max(1, len(records))
    elif kind in ("offset", "auto_offset"):
        start = int(query.get("offset", 0))
        size = int(query.get("limit", size))
    elif kind == "cursor":
        start = int(query.get("cursor", 0))
    else:
        start = (int(query.get("page", 1)) - 1) * size
    shown = records[start : start + size]
    more = start + size < len(records)
    told, pages = len(records) + resource.lie, max(1, -(-len(records) // size))
    since = {"since": query["since"]} if "since" in query else {}
    link = f"{url}?" + urllib.parse.urlencode({"page": start // size + 2} | since)
    around: dict = {}
    headers = {"X-Total-Count": str(told)} if resource.header_total else {}
    if kind == "page_number" and resource.has_total:
        around["pages"] = pages
    elif kind == "offset" and resource.has_total:
        around["total"] = told
    elif kind == "cursor":
        around["next"] = str(start + size) if more else None
    elif kind in ("json_link", "auto_link"):
        around["next"] = link if more else None
    elif kind == "header_link" and more:
        headers["Link"] = f'<{link}>; rel="next"'
    elif kind == "auto_pages":
        around |= {"page": start // size + 1, "total_pages": pages}
    elif kind == "auto_offset":
        around |= {"offset": start, "limit": size, "total": told}
    if resource.csv:
        return headers | {"Content-Type": "text/csv"}, table(shown)
    data = "[" + ",".join(r.text() for r in shown) + "]"
    return headers, "{" + "".join(f"{json.dumps(k)}:{json.dumps(v)}," for k, v in around.items()) + f'"data":{data}' + "}"


def table(records: list) -> str:
    """A CSV page: a row of names, and a row for each record; one that is bad has a field too many."""
    names = list(dict.fromkeys(name for record in records for name in record.members)) or ["uid", "id", "code", "seq", "at"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for record in records:
        fields = [field(record.members.get(name, "null")) for name in names]
        writer.writerow([str(record.uid)] * (len(names) + 1) if record.is_bad else ["\\N" if value is None else value for value in fields])
    return out.getvalue()
