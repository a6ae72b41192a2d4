"""What the scenarios share: checks that are counted and told, and how a scenario is run by hand or by ./tests/run."""

import http.server
import pathlib
import sys
import tempfile
from collections.abc import Callable


class Checks:
    """Counts what held and what did not, and says so."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def that(self, what: str, found, expected) -> None:
        if found == expected:
            self.passed += 1
            print(f"ok      {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {what}: found {str(found)[:600]}, expected {str(expected)[:600]}", flush=True)


class JsonHandler(http.server.BaseHTTPRequestHandler):
    """Answers with JSON, and logs nothing."""

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        pass


def run_scenario(name: str, scenario: Callable[[pathlib.Path, pathlib.Path], Checks]) -> int:
    """Runs `scenario` with the binary and folder of the command line, or in a folder that goes; the exit code."""
    binary = pathlib.Path(sys.argv[1]).resolve()
    if len(sys.argv) > 2:
        folder = pathlib.Path(sys.argv[2]).resolve()
        folder.mkdir(parents=True)
        checks = scenario(binary, folder)
    else:
        with tempfile.TemporaryDirectory(prefix=f"lakeward-{name}-") as temporary:
            checks = scenario(binary, pathlib.Path(temporary))
    print(f"{name}: {checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0
