"""A random pipeline and what its API has, night after night.

In: a `random.Random`. Out: a `World`: the config of a pipeline, and `Resource`s whose records change from night to night. Every record
carries `uid`, a number that no other record of the history has, so that a row of the table tells which record it was made from.

Records are kept as JSON tokens (`Value` is a text), so that what a table holds can be compared with what was sent, digit by digit.
"""

import dataclasses
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
    """One record as the API sends it: member names and JSON tokens. `cursor`, `deleted` and `rank` are what the model needs to know of it."""

    uid: int
    key: tuple
    members: dict
    cursor: int = 0
    deleted: bool = False
    rank: int = 0

    def text(self) -> str:
        return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in self.members.items()) + "}"


class Resource:
    """One endpoint, its table, and the records that it has tonight."""

    def __init__(self, rng: random.Random, number: int, uids):
        self.rng, self.uids = rng, uids
        self.name = f"r{number}"
        self.disposition = rng.choice(["merge", "merge", "replace", "append"])
        self.key = rng.choice([["id"], ["id"], ["code"], ["id", "code"]]) if self.disposition == "merge" else []
        self.is_incremental = self.disposition in ("append", "merge") and rng.random() < 0.5
        self.filters = self.is_incremental and rng.random() < 0.7
        self.hard_delete = self.disposition == "merge" and rng.random() < 0.3
        self.dedup_sort = self.disposition == "merge" and rng.random() < 0.3
        names = ["price", "note", "Étage", "a b", "x.y", "select"]
        self.columns = [Column(name, LADDERS[rng.choice(list(LADDERS))]) for name in names[: rng.randint(1, len(names))]]
        # JSON text must be the API's own text, as long as the column was JSON text from its first night on.
        self.is_json = rng.random() < 0.15
        self.insert_only = self.disposition == "merge" and not self.hard_delete and not self.dedup_sort and rng.random() < 0.15
        self.partitions = rng.choice([[], [], ["region"], ["at:day"], ["at:month", "flag"], ["id:bucket"], ["region:truncate"], ["id"]])
        if self.partitions == ["id"] and self.key == ["code"]:
            self.partitions = []
        self.sort_by = rng.choice([None, None, "-uid", "region"]) if self.partitions != ["region"] else None
        self.paginator = rng.choice(["page_number", "offset", "cursor", "json_link", "header_link", "single_page", "auto_pages", "auto_link", "auto_offset"])
        self.page_size = rng.randint(3, 40)
        # Behind page numbers and offsets a key that comes again on another page is a sign of rows that move, and stops the run.
        self.repeats = self.disposition == "merge" and self.paginator in ("cursor", "single_page") and rng.random() < 0.5
        self.has_total = rng.random() < 0.6
        self.records: list[Record] = []
        self.clock = 0
        self.next_id = 1
        self.add(rng.randint(1, 60))

    # --- the nights ---

    def add(self, count: int) -> None:
        for _ in range(count):
            self.put((self.next_id, f"k{self.next_id}"))
            self.next_id += 1

    def put(self, key: tuple, deleted: bool = False) -> None:
        """A new version of the record of `key`, the newest one."""
        rng = self.rng
        self.clock += rng.choice([0, 0, 1])
        uid = next(self.uids)
        at = f"20{rng.randint(20, 26)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:00:00Z"
        if old := next((r for r in self.records if r.key == key), None):
            at = json.loads(old.members["at"]) if rng.random() < 0.7 else at
        members = {"uid": str(uid), "id": str(key[0]), "code": json.dumps(key[1]), "seq": str(self.clock), "at": json.dumps(at),
                   "region": json.dumps(rng.choice(["eu", "us", "a b", "ö/ü", "x=1%"])), "flag": rng.choice(["true", "false"]),
                   "rank": str(uid)}
        if self.hard_delete:
            members["gone"] = "true" if deleted else rng.choice(["false", "null"])
        for column in self.columns:
            if rng.random() < 0.9:
                members[column.name] = column.value(rng)
        order = list(members)
        if rng.random() < 0.2:
            rng.shuffle(order)
        record = Record(uid, key, {name: members[name] for name in order}, self.clock, deleted, uid)
        if self.disposition == "append" or self.repeats and rng.random() < 0.3:
            self.records.append(record)
            return
        self.records = [r for r in self.records if r.key != key] + [record]

    def change(self) -> None:
        """A night passes: rows come and change, a column widens or appears."""
        rng = self.rng
        self.add(rng.choice([0, 0, 1, 5, 30]))
        for key in rng.sample([r.key for r in self.records], min(len(self.records), rng.choice([0, 1, 10]))):
            self.put(key, deleted=self.hard_delete and rng.random() < 0.4)
        if self.disposition == "replace":
            for record in rng.sample(self.records, rng.randint(0, len(self.records) // 5)):
                self.records.remove(record)
        for column in self.columns:
            if rng.random() < 0.25 and column.stage + 1 < len(column.ladder):
                column.stage += 1
        if rng.random() < 0.1:
            self.columns.append(Column(f"new_{len(self.columns)}", LADDERS[rng.choice(list(LADDERS))]))

    # --- the config ---

    def config(self) -> dict:
        endpoint: dict = {"path": f"/{self.name}", "params": {}}
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
        config: dict = {"name": self.name, "write_disposition": self.disposition, "endpoint": endpoint}
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
        if self.is_incremental:
            endpoint["incremental"] = {"cursor_path": "seq"} | ({"start_param": "since", "initial_value": 0} if self.filters else {})
        if self.partitions:
            config["partition_by"] = [partition(text) for text in self.partitions]
        if self.sort_by:
            config["sort_by"] = self.sort_by
        if self.disposition in ("replace", "merge"):
            # Losing rows is part of these histories.
            config["expect"] = {"max_shrink": "100%"}
        if not endpoint["params"]:
            del endpoint["params"]
        return config


def partition(text: str) -> dict:
    column, _, transform = text.partition(":")
    more = {"bucket": {"transform": "bucket", "buckets": 4}, "truncate": {"transform": "truncate", "width": 1}, "": {}}
    return {"column": column} | more.get(transform, {"transform": transform})


class World:
    """One pipeline with its resources."""

    def __init__(self, rng: random.Random, name: str, uids, first: int):
        self.name, self.rng = name, rng
        self.resources = [Resource(rng, first + n, uids) for n in range(rng.randint(1, 3))]
        self.lake = {"compression": rng.choice(["zstd(1)", "snappy", "none"]), "target_file_size": rng.choice(["2kB", "20kB", "256MB"])}
        if rng.random() < 0.3:
            self.lake["compat"] = rng.choice(["modern", "legacy"])
        if rng.random() < 0.15:
            self.lake["on_schema_change"] = "leave"
        self.concurrency = rng.choice([1, 4, 8])

    def config(self, lake: str, url: str) -> dict:
        client = {"base_url": url, "concurrency": self.concurrency, "retry": {"max_retries": 2, "initial_delay": 0.01}}
        return {"name": self.name, "client": client, "resources": [r.config() for r in self.resources], "lake": {"url": lake} | self.lake}
