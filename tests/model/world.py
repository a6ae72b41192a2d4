"""A random pipeline and what its API has, night after night.

In: a `random.Random`. Out: a `World`: the config of a pipeline, and `Resource`s whose records change from night to night. Every record
carries `uid`, a number that no other record of the history has, so that a row of the table tells which record it was made from.

Records are kept as JSON tokens, so that what a table holds can be compared with what was sent, digit by digit.
"""

import dataclasses
import datetime
import json
import random

# A column's values widen along one of these, a stage at a night, and may skip stages. Each stage may bring values of earlier ones too.
LADDERS = {
    "integers": ["int", "bigint", "decimal", "hugeint"],
    "numbers": ["int", "float", "decimal"],
    "numbers_then_text": ["int", "float", "decimal", "text"],
    "dates": ["date", "datetime", "text"],
    "instants": ["instant", "instant_offset", "text"],
    "flags": ["bool", "text"],
    "texts": ["text"],
    "objects": ["object", "object_more", "scalar_or_object"],
    "lists": ["list", "list_wider", "scalar_or_list"],
    "rows": ["rows", "rows_more", "scalar_or_list"],
    "sparse": ["null", "int", "text"],
}
# What a field of a CSV page can hold, and come back from.
FLAT_LADDERS = ["integers", "numbers", "numbers_then_text", "dates", "instants", "flags", "texts", "sparse"]
LINKED = ["cursor", "json_link", "header_link", "single_page"]
EPOCH = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
WORDS = ["", "a", "zwei", "été", "日本", "a b", "x/y=z%20", "0012", "true", "null", "-", "\u2028", "'quoted'", '"', "\\", "😀", "1e5", "2026-11-29"]


def token(rng: random.Random, kind: str) -> str:
    """One JSON value of a kind, as text."""
    match kind:
        case "null":
            return "null"
        case "int":
            return str(rng.randint(-1000, 1000))
        case "bigint":
            return str(rng.randint(-(2**63), 2**63 - 1))
        case "hugeint":
            return str(rng.randint(-(10**37), 10**37))
        case "float":
            return rng.choice([f"{rng.uniform(-1e6, 1e6):.{rng.randint(1, 6)}f}", f"{rng.randint(1, 99)}e{rng.randint(0, 5)}", "0.1", "-0.5", "1.10"])
        case "decimal":
            return f"{rng.randint(-(10**rng.randint(1, 17)), 10**17)}.{rng.randint(0, 10**9):09d}"
        case "bool":
            return rng.choice(["true", "false"])
        case "date":
            return json.dumps(f"{rng.choice([1, 1200, 1582, 1899, 2024, 9999]):04d}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}")
        case "datetime":
            return json.dumps(f"{rng.choice([1, 1700, 1969, 2026, 9999]):04d}-{rng.randint(1, 12):02d}-{rng.randint(2, 27):02d}T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:00Z")
        case "instant":
            return json.dumps(f"2026-{rng.randint(1, 12):02d}-{rng.randint(2, 27):02d}T{rng.randint(0, 23):02d}:00:00.{rng.randint(0, 999999):06d}Z")
        case "instant_offset":
            return json.dumps(f"2026-{rng.randint(1, 12):02d}-{rng.randint(2, 27):02d}T{rng.randint(0, 23):02d}:30:00{rng.choice(['+02:00', '-05:30', 'Z'])}")
        case "text":
            return json.dumps(rng.choice(WORDS) + rng.choice(["", str(rng.randint(0, 99))]), ensure_ascii=rng.random() < 0.5)
        case "object":
            return "{" + f'"b": {token(rng, "int")}, "a": {rng.choice([token(rng, "text"), "null"])}' + "}" if rng.random() < 0.95 else "{}"
        case "object_more":
            return "{" + f'"b": {token(rng, "float")}, "c": {{"d": {token(rng, "bool")}}}' + "}"
        case "list":
            return "[" + ", ".join(token(rng, "int") for _ in range(rng.randint(0, 3))) + "]"
        case "list_wider":
            return "[" + ", ".join(rng.choice([token(rng, "float"), "null"]) for _ in range(rng.randint(0, 3))) + "]"
        case "rows":
            return "[" + ", ".join(token(rng, "object") for _ in range(rng.randint(0, 3))) + "]"
        case "rows_more":
            return "[" + ", ".join(rng.choice([token(rng, "object_more"), "null"]) for _ in range(rng.randint(0, 3))) + "]"
        case "scalar_or_object":
            return rng.choice([token(rng, "int"), token(rng, "object"), token(rng, "text")])
        case "scalar_or_list":
            return rng.choice([token(rng, "int"), token(rng, "list"), token(rng, "bool")])
    raise ValueError(kind)


@dataclasses.dataclass
class Column:
    """A column whose values widen as nights go by."""

    name: str
    ladder: list
    stage: int = 0

    def value(self, rng: random.Random) -> str:
        stage = self.stage if rng.random() < 0.6 else rng.randint(0, self.stage)
        return "null" if rng.random() < 0.1 else token(rng, self.ladder[stage])


@dataclasses.dataclass
class Record:
    """One record as the API sends it: member names and JSON tokens. The other fields are what the model needs to know of it."""

    uid: int
    key: tuple
    members: dict
    cursor: int = 0
    deleted: bool = False
    parent: str = ""  # the `code` of the parent's record

    @property
    def is_bad(self) -> bool:
        return self.uid < 0

    def text(self) -> str:
        if self.is_bad:
            return json.dumps(f"no record {self.uid}")
        return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in self.members.items()) + "}"


class Resource:
    """One endpoint, its table, and the records that it has tonight."""

    parent = None

    def __init__(self, rng: random.Random, number: int, uids):
        self.rng, self.uids = rng, uids
        self.name = self.table = f"r{number}"
        self.disposition = rng.choice(["merge", "merge", "replace", "append"])
        self.key = rng.choice([["id"], ["id"], ["code"], ["id", "code"]]) if self.disposition == "merge" else []
        self.is_incremental = self.disposition in ("append", "merge") and rng.random() < 0.5
        self.hard_delete = self.disposition == "merge" and rng.random() < 0.3
        self.dedup_sort = self.disposition == "merge" and rng.random() < 0.3
        self.insert_only = self.disposition == "merge" and not self.hard_delete and not self.dedup_sort and rng.random() < 0.15
        self.partitions = rng.choice([[], [], ["region"], ["at:day"], ["at:month", "flag"], ["id:bucket"], ["region:truncate"], ["id"]])
        self.sort_by = rng.choice([None, None, "-uid", "region"]) if self.partitions != ["region"] else None
        self.paginator = rng.choice(["page_number", "offset", "auto_pages", "auto_link", "auto_offset", *LINKED])
        self.page_size = rng.randint(3, 40)
        self.has_total = rng.random() < 0.6
        self.draw_form()
        self.draw_troubles()
        self.records: list[Record] = []
        self.clock, self.next_id, self.spelling = 0, 1, 0
        self.start()

    def draw_form(self) -> None:
        """How records are written, and what their columns are."""
        rng = self.rng
        self.filters = self.is_incremental and rng.random() < 0.7
        self.has_times = self.is_incremental and rng.random() < 0.4
        # A flag that only deleted records have.
        self.is_flag_sparse = rng.random() < 0.4
        if self.partitions == ["id"] and self.key == ["code"]:
            self.partitions = []
        self.csv = rng.choice(["text", "infer"]) if not self.paginator.startswith("auto_") and self.paginator not in ("cursor", "json_link") and rng.random() < 0.3 else None
        if self.csv == "text" and self.partitions == ["id"]:
            # Folders of text that looks like numbers are refused.
            self.partitions = ["id:bucket"]
        if self.csv:
            self.has_total, self.dedup_sort = False, self.dedup_sort and self.csv == "infer"
        # JSON text must be the API's own text, as long as the column was JSON text from its first night on.
        self.is_json = not self.csv and rng.random() < 0.15
        self.ladders = FLAT_LADDERS if self.csv else list(LADDERS)
        names = ["price", "note", "Étage", "a b", "x.y", "select"]
        self.columns = [Column(name, LADDERS[rng.choice(self.ladders)]) for name in names[: rng.randint(1, len(names))]]
        # What is done about new columns, or about values of another type; columns of integers which may turn to text show it.
        self.contract = None
        if not self.csv and not self.is_incremental and rng.random() < 0.2:
            self.contract = (rng.choice(["columns", "data_type"]), rng.choice(["freeze", "discard_row", "discard_value"]))
            self.is_json, self.columns = False, [Column(name, ["int", "text"]) for name in names[: rng.randint(1, 3)]]

    def draw_troubles(self) -> None:
        """What may be wrong with what the API sends, and what the config says of it."""
        rng = self.rng
        # Behind page numbers and offsets a key that comes again on another page is a sign of rows that move, and stops the run.
        self.repeats = self.disposition == "merge" and self.paginator in ("cursor", "single_page") and not self.contract and rng.random() < 0.5
        # Rejects: `None` fails the run at the first, "tenth" is the default of the quarantine, else so many are allowed.
        self.max_rejects = rng.choice([None, "tenth", 0, 3, 100]) if not self.contract else 10**6
        self.bad: list[Record] = []
        self.header_total = not self.csv and rng.random() < 0.2
        self.estimates = self.header_total and self.paginator in LINKED and rng.random() < 0.3
        self.lie = 0
        self.vanished: set = set()
        self.auth = None  # the world's

    def start(self) -> None:
        self.add(self.rng.randint(1, 60))

    # --- the nights ---

    def add(self, count: int) -> None:
        for _ in range(count):
            self.put((self.next_id, f"k{self.next_id}" + self.rng.choice(["", "", " ä", "%20", "+&", "?#"])))
            self.next_id += 1

    def put(self, key: tuple, deleted: bool = False, parent: str = "") -> None:
        """A new version of the record of `key`, the newest one."""
        rng = self.rng
        self.clock += rng.choice([0, 0, 1])
        uid = next(self.uids)
        at = f"20{rng.randint(20, 26)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:00:00Z"
        if old := next((r for r in self.records if r.key == key), None):
            at = json.loads(old.members["at"]) if rng.random() < 0.7 else at
        members = {"uid": str(uid), "id": str(key[0]), "code": json.dumps(key[1]), "seq": self.spelled(self.clock), "at": json.dumps(at),
                   "region": json.dumps(rng.choice(["eu", "us", "a b", "ö/ü", "x=1%"])), "flag": rng.choice(["true", "false"]),
                   "rank": str(uid)}
        if self.hard_delete and (deleted or not self.is_flag_sparse):
            members["gone"] = "true" if deleted else rng.choice(["false", "null"])
        for column in self.columns:
            value = column.value(rng)
            if self.contract and (value == "null" or not self.records):
                value = token(rng, "int")
            if rng.random() < 0.9 or self.contract and not self.records:
                members[column.name] = value
        order = list(members)
        if rng.random() < 0.2:
            rng.shuffle(order)
        record = Record(uid, key, {name: members[name] for name in order}, self.clock, deleted, parent)
        if self.disposition == "append" and not self.is_parent or self.repeats and rng.random() < 0.3:
            self.records.append(record)
            return
        self.records = [r for r in self.records if r.key != key] + [record]

    is_parent = False

    def spelled(self, cursor: int) -> str:
        """The cursor as the API writes it tonight."""
        if self.has_times:
            at = EPOCH + datetime.timedelta(hours=cursor)
            east = at.astimezone(datetime.timezone(datetime.timedelta(hours=2)))
            return json.dumps([f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%Y-%m-%dT%H:%M:%S.000Z}", east.isoformat()][self.spelling])
        return str(cursor) + ["", ".0", "e0"][self.spelling]

    def change(self) -> None:
        """A night passes: rows come and change, a column widens or appears."""
        rng = self.rng
        self.add(rng.choice([0, 0, 1, 5, 30]))
        for record in rng.sample(self.records, min(len(self.records), rng.choice([0, 1, 10]))):
            if record in self.records:
                self.put(record.key, self.hard_delete and rng.random() < 0.4, record.parent)
        if self.disposition == "replace":
            for record in rng.sample(self.records, rng.randint(0, len(self.records) // 5)):
                self.records.remove(record)
        for column in self.columns:
            if rng.random() < 0.25 and column.stage + 1 < len(column.ladder):
                column.stage += 1
        if rng.random() < (0.3 if self.contract else 0.1):
            self.columns.append(Column(f"new_{len(self.columns)}", ["int", "text"] if self.contract else LADDERS[rng.choice(self.ladders)]))
        if self.contract and rng.random() < 0.3:
            self.contract = (self.contract[0], "evolve")
        if self.is_incremental and not self.csv and rng.random() < 0.2:
            self.spelling = rng.randint(0, 2)
            for record in self.records:
                record.members["seq"] = self.spelled(record.cursor)

    def tonight(self) -> list:
        """All that the API has, in order."""
        return self.records + self.bad

    def slice(self, _parent: str) -> list:
        """What one request path has."""
        return self.tonight()

    def is_there(self, parent: str) -> bool:
        return not parent

    # --- the config ---

    def path(self) -> str:
        return f"/{self.name}"

    def config(self) -> dict:
        endpoint: dict = {"path": self.path(), "params": {}}
        if not self.paginator.startswith("auto_"):
            endpoint["data_selector"] = "data"
            endpoint["paginator"] = {
                "page_number": {"type": "page_number", "base_page": 1, "total_path": "pages" if self.has_total else None},
                "offset": {"type": "offset", "limit": self.page_size, "total_path": "total" if self.has_total else None},
                "cursor": {"type": "cursor", "cursor_path": "next"},
                "json_link": {"type": "json_link", "next_url_path": "next"},
                "header_link": "header_link",
                "single_page": "single_page",
            }[self.paginator]
        if self.csv:
            del endpoint["data_selector"]
            endpoint["response_format"] = {"type": "csv", "types": self.csv, "null_values": ["\\N"]}
        config: dict = {"name": self.name, "write_disposition": self.disposition, "endpoint": endpoint}
        if self.table != self.name:
            config["table_name"] = self.table
        if self.insert_only:
            config["write_disposition"] = {"disposition": "merge", "strategy": "insert-only"}
        if self.is_json:
            config["nested"] = "json"
        if self.key:
            config["primary_key"] = self.key
        columns = {}
        if self.dedup_sort:
            columns["rank"] = {"dedup_sort": "desc"}
        if self.hard_delete:
            columns["gone"] = {"hard_delete": True, "data_type": "bool"}
        if columns:
            config["columns"] = columns
        if self.contract:
            config["schema_contract"] = {self.contract[0]: self.contract[1]}
        if self.max_rejects is not None:
            config["on_reject"] = "quarantine"
            config |= {"max_rejects": self.max_rejects} if self.max_rejects != "tenth" else {}
        if self.is_incremental:
            start = {"start_param": "since", "initial_value": f"{EPOCH:%Y-%m-%dT%H:%M:%SZ}" if self.has_times else 0} if self.filters else {}
            endpoint["incremental"] = {"cursor_path": "seq"} | start
        if self.partitions:
            config["partition_by"] = [partition(text) for text in self.partitions]
        if self.sort_by:
            config["sort_by"] = self.sort_by
        # Losing rows is part of these histories.
        config["expect"] = {"max_shrink": "100%"}
        if self.estimates:
            config["expect"]["total"] = "estimate"
        if not endpoint["params"]:
            del endpoint["params"]
        return config

    @property
    def parent_columns(self) -> dict:
        """The columns of the parent's fields, and the field of each."""
        return {}


class Child(Resource):
    """A resource that is asked for once for each record of its parent; a key of its table is the parent's `code` and the own `id`."""

    def __init__(self, rng: random.Random, number: int, uids, parent: Resource):
        self.parent, self.column = parent, rng.choice(["_" + parent.name + "_code", "parent"])
        # Whether the endpoint says that parents vanish.
        self.skips_vanished = rng.random() < 0.3
        super().__init__(rng, number, uids)

    def draw_form(self) -> None:
        self.is_incremental, self.dedup_sort = False, False
        self.key = [self.column, "id"] if self.disposition == "merge" else []
        if self.paginator.startswith("auto_"):
            self.paginator = "json_link"
        super().draw_form()
        self.contract = None

    def draw_troubles(self) -> None:
        super().draw_troubles()
        self.repeats = self.header_total = self.estimates = False
        self.max_rejects = None

    def start(self) -> None:
        self.page_size = self.rng.randint(2, 8)
        self.add(self.rng.randint(1, 40))

    def add(self, count: int) -> None:
        for _ in range(count if self.parent.records else 0):
            parent = self.rng.choice(self.parent.records).key[1]
            self.put((self.next_id, f"{self.name} {self.next_id}"), parent=parent)
            self.next_id += 1

    def tonight(self) -> list:
        return [record for parent in self.parent.tonight() if parent.key[1] not in self.vanished for record in self.slice(parent.key[1])]

    def slice(self, parent: str) -> list:
        return [record for record in self.records if record.parent == parent]

    def is_there(self, parent: str) -> bool:
        return parent not in self.vanished and any(record.key[1] == parent for record in self.parent.tonight())

    def path(self) -> str:
        return f"/{self.name}/{{resources.{self.parent.name}.code}}/list"

    def config(self) -> dict:
        config = super().config()
        config["include_from_parent"] = ["code" if self.column != "parent" else {"field": "code", "as": "parent"}, "region"]
        if self.skips_vanished:
            config["endpoint"]["response_actions"] = [{"status_code": [404, 410], "action": "skip", "scope": "parent"}]
        return config

    @property
    def parent_columns(self) -> dict:
        return {self.column: "code", f"_{self.parent.name}_region": "region"}


def partition(text: str) -> dict:
    column, _, transform = text.partition(":")
    more = {"bucket": {"transform": "bucket", "buckets": 4}, "truncate": {"transform": "truncate", "width": 1}, "": {}}
    return {"column": column} | more.get(transform, {"transform": transform})


def field(token: str):
    """A JSON token as a field of a CSV row; `None` is null."""
    value = json.loads(token)
    return None if value is None else value if isinstance(value, str) else token


class World:
    """One pipeline with its resources, parents before children."""

    def __init__(self, rng: random.Random, name: str, uids, first: int):
        self.name, self.rng = name, rng
        self.resources = [Resource(rng, first + n, uids) for n in range(rng.randint(1, 3))]
        for resource in list(self.resources):
            if not (resource.is_incremental or resource.hard_delete or resource.dedup_sort or resource.repeats or resource.contract) and rng.random() < 0.5:
                self.add_children(resource, uids, first)
        self.auth = rng.choice([None, None, "bearer", "oauth2"])
        for resource in self.resources:
            resource.auth, resource.world = self.auth, name
        self.lake = {"compression": rng.choice(["zstd(1)", "snappy", "none"]), "target_file_size": rng.choice(["2kB", "20kB", "256MB"])}
        if rng.random() < 0.3:
            self.lake["compat"] = rng.choice(["modern", "legacy"])
        if rng.random() < 0.15:
            self.lake["on_schema_change"] = "leave"
        self.concurrency = rng.choice([1, 4, 8])
        self.resume = rng.choice([0, "6h", "6h"])

    def add_children(self, parent: Resource, uids, first: int) -> None:
        rng = self.rng
        # Each of its records is asked for once; a reject has no children.
        parent.is_parent, parent.max_rejects = True, None
        parent.records = list({record.key: record for record in parent.records}.values())
        for _ in range(rng.choice([1, 1, 2])):
            self.resources.append(child := Child(rng, first + len(self.resources), uids, parent))
            if not isinstance(parent, Child) and not child.hard_delete and rng.random() < 0.2:
                self.add_children(child, uids, first)

    def config(self, lake: str, url: str) -> dict:
        client = {"base_url": url, "concurrency": self.concurrency, "retry": {"max_retries": 2, "initial_delay": 0.01}}
        if self.auth == "bearer":
            client["auth"] = {"type": "bearer", "token": f"token-of-{self.name}"}
        elif self.auth:
            client["auth"] = {"type": "oauth2_client_credentials", "access_token_url": f"{url}/token", "client_id": self.name, "client_secret": "of the model"}
        return {"name": self.name, "client": client, "resources": [r.config() for r in self.resources], "lake": {"url": lake} | self.lake, "resume": self.resume}
