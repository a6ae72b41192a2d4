"""The loopback API of the model test: serves what the worlds have, page by page, and misbehaves as it is told.

In: resources (`world.Resource`) and tonight's `Trouble`s. Out: an HTTP server on 127.0.0.1.
"""

import dataclasses
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclasses.dataclass
class Trouble:
    """What goes wrong with a resource's requests from the `first` one on, `times` times."""

    kind: str  # a status code, "cut" (the body breaks off) or "reset"
    first: int
    times: int


class Api:
    """The server; `resources` and `troubles` may be replaced between two runs."""

    def __init__(self):
        self.resources, self.troubles, self.counts = {}, {}, {}
        self.lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):  # noqa: N802 - http.server's name
                api.answer(self)

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

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        url = urllib.parse.urlsplit(request.path)
        name = url.path.strip("/")
        query = dict(urllib.parse.parse_qsl(url.query))
        with self.lock:
            count = self.counts[name] = self.counts.get(name, 0) + 1
            trouble = self.troubles.get(name)
            hit = trouble is not None and trouble.first <= count < trouble.first + trouble.times
        if hit and trouble.kind == "reset":
            request.close_connection = True
            request.connection.close()
            return
        status, headers, body = 200, {}, ""
        if hit and trouble.kind != "cut":
            status, body = int(trouble.kind), '{"error": "not tonight"}'
        else:
            headers, body = page(self.resources[name], query, self.url)
        data = body.encode()
        request.send_response(status)
        for header, value in headers.items():
            request.send_header(header, value)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if hit and trouble.kind == "cut":
            data = data[: len(data) // 2]
            request.close_connection = True
        request.wfile.write(data)


def page(resource, query: dict, url: str) -> tuple:
    """Headers and body of one page, in the form of the resource's paginator."""
    records = resource.records
    if resource.filters and "since" in query:
        records = [r for r in records if r.cursor >= int(query["since"])]
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
    pages = max(1, -(-len(records) // size))
    since = {"since": query["since"]} if "since" in query else {}
    link = f"{url}/{resource.name}?" + urllib.parse.urlencode({"page": start // size + 2} | since)
    around: dict = {}
    headers = {}
    if kind == "page_number" and resource.has_total:
        around["pages"] = pages
    elif kind == "offset" and resource.has_total:
        around["total"] = len(records)
    elif kind == "cursor":
        around["next"] = str(start + size) if more else None
    elif kind in ("json_link", "auto_link"):
        around["next"] = link if more else None
    elif kind == "header_link" and more:
        headers["Link"] = f'<{link}>; rel="next"'
    elif kind == "auto_pages":
        around |= {"page": start // size + 1, "total_pages": pages}
    elif kind == "auto_offset":
        around |= {"offset": start, "limit": size, "total": len(records)}
    data = "[" + ",".join(r.text() for r in shown) + "]"
    return headers, "{" + "".join(f"{json.dumps(k)}:{json.dumps(v)}," for k, v in around.items()) + f'"data":{data}' + "}"
