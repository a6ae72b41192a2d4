"""A door in front of a real application, so that something can happen between two of a crawl's requests.

In: the port of an application on 127.0.0.1, and what to do before the request with a certain number is passed on. Out: a port, and every
request that came, in order. Requests and answers pass unchanged, the `Host` header too, so that the links of the application lead back here.
Nothing waits for time to pass: a change happens when the crawl is at a certain page, on every machine.
"""

import contextlib
import http.client
import http.server
import threading

# Of the connection, not of the answer (RFC 9110 §7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-authenticate", "proxy-authorization"}


class Forwarder:
    """Passes GET requests to `port`; `before[n]` is called before the n-th, counted from 1, is."""

    def __init__(self, port: int):
        self.port = port
        self.paths: list[str] = []
        self.before: dict = {}
        self.failed: list[str] = []
        self._lock = threading.Lock()

    def begin(self, before: dict | None = None) -> None:
        """Forgets what came, for the next crawl."""
        with self._lock:
            self.paths, self.before = [], dict(before or {})

    def arrived(self, path: str) -> None:
        # Under the lock: one request after the other sees its change.
        with self._lock:
            self.paths.append(path)
            change = self.before.pop(len(self.paths), None)
            if change:
                try:
                    change()
                except Exception as error:  # told by the scenario, which waits in another thread
                    self.failed.append(repr(error))

    @contextlib.contextmanager
    def serving(self):
        """Yields the base URL; stops at the end of the block."""
        forwarder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                forwarder.arrived(self.path)
                connection = http.client.HTTPConnection("127.0.0.1", forwarder.port, timeout=60)
                try:
                    headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                    connection.request("GET", self.path, headers=headers)
                    answer = connection.getresponse()
                    body = answer.read()
                    self.send_response_only(answer.status, answer.reason)
                    for name, value in answer.getheaders():
                        if name.lower() not in HOP_BY_HOP | {"content-length"}:
                            self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                finally:
                    connection.close()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
