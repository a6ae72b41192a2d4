"""The tables of the matrix: what an API sends, night by night, and what every reader must then find.

In: nothing. Out: `TABLES`. A `Table` has the records of each night and its resource's keys; the expected values are made of the
same records, by the kind of each column, so no reader is the judge of another.

A value is compared in a tagged text form, which the scripts in `read/` write: `i:` integer, `f:` float, `d:` decimal, `s:` text,
`b:` bytes in hex, `D:` date as days since 1970, `z:` point in time and `n:` time without a zone as microseconds since 1970.
Null, booleans, lists and objects are JSON's own. `p:` is the text of a partition folder.
"""

import dataclasses
import datetime
import decimal
import json
import random
import re
import string

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


@dataclasses.dataclass
class Table:
    """What one resource sends and what its table must hold afterwards."""

    name: str
    # Kinds of the columns in the files: a name, a map (struct), a list with one kind, or `(label, kind)` for the documentation.
    columns: dict
    # Records of each night; the last night's are sent again on all later ones.
    nights: list
    # The rows expected in the end; by default the last record of each `id`.
    rows: list | None = None
    # Partition columns: the label in the documentation, and the folder text of a row.
    partitions: dict = dataclasses.field(default_factory=dict)
    # Further lines of the resource, and keys of `lake`.
    resource: str = ""
    lake: tuple = ()
    # Files that it has at the least.
    least_files: int = 0
    # The version to which its lake is rolled back after the last night.
    back_to: int = 0
    # Whether a file of it has columns that came behind its own bytes.
    is_spliced: bool = False

    def expected(self) -> list:
        """Rows as maps of column and tagged value."""
        rows = self.rows
        if rows is None:
            rows = list({record["id"]: record for night in self.nights for record in night}.values())
        return [{**{name: tagged(kind_of(kind), row.get(name)) for name, kind in self.columns.items()},
                 **{name: f"p:{text(row)}" for name, (_, text) in self.partitions.items()}} for row in rows]


class Raw(str):
    """A JSON number by its own digits."""


def dump(value) -> str:
    """JSON in which a number stands as it was written."""
    match value:
        case Raw():
            return str(value)
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{dump(inner)}" for name, inner in value.items()) + "}"
        case list():
            return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def kind_of(kind):
    return kind[1] if isinstance(kind, tuple) else kind


def label_of(kind) -> str:
    """What the documentation calls a column of this kind."""
    match kind:
        case tuple():
            return kind[0]
        case dict():
            return "object"
        case list():
            return "list of objects" if isinstance(kind[0], dict) else "list"
    return kind


def micros(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    # In two steps, as the UTC time of year 1 or 9999 may lie outside Python's years.
    return (moment.replace(tzinfo=datetime.timezone.utc) - EPOCH) // MICROSECOND - moment.utcoffset() // MICROSECOND


def tagged(kind, value):
    """A record's value as a reader must give it back."""
    if kind == "JSON text":
        return None if value is None else f"s:{dump(value)}"
    if value is None:
        return None
    match kind:
        case dict():
            return {name: tagged(inner, value.get(name)) for name, inner in kind.items()}
        case list():
            return [tagged(kind[0], inner) for inner in value]
        case "boolean":
            return value
        case "integer":
            return f"i:{value}"
        case "float":
            return f"f:{float(value)!r}"
        case "decimal":
            return f"d:{decimal.Decimal(value)}"
        case "text" | "null only":
            return f"s:{value}"
        case "timestamp":
            return f"z:{micros(value)}"
        case "date":
            return f"D:{(datetime.date.fromisoformat(value) - EPOCH.date()).days}"
    raise ValueError(f"no kind {kind!r}")


def numbered(values: list, column: str = "v") -> list:
    """One record a value."""
    return [{"id": number, column: value} for number, value in enumerate(values)]


def one_column(name: str, kind, values: list, **more) -> Table:
    return Table(name, {"id": "integer", "v": kind}, [numbered(values)], **more)


def partitioned(name: str, kind: str, values: list, transform: str, folder, label: str = "", **more) -> Table:
    """A table in folders made of the column `v`; `folder` makes the text of one that is not null."""
    label = label or (f"partition: {transform} of {kind}" if transform else f"partition: {kind}")
    column = f"v_{re.match('[a-z]*', transform)[0]}" if transform else "v"
    columns = {"id": "integer", **({"v": kind} if transform else {}), "w": "text"}
    records = [{**record, "w": f"w{record['id']}"} for record in numbered(values)]
    by = f"{{column: v, transform: '{transform}'}}" if transform else "v"
    more["resource"] = f"partition_by: [{by}]\n" + more.get("resource", "")
    return Table(name, columns, [records], partitions={column: (label, lambda row: NULL_FOLDER if row["v"] is None else folder(row["v"]))},
                 **more)


# --- values ------------------------------------------------------------------------------------------------------------------

INTEGERS = [0, 1, -1, 2**53, -(2**53), 2**53 + 1, 2**63 - 1, -(2**63), None]
FLOATS = [Raw(text) for text in ("0.0", "-0.0", "0.1", "-1.5", "1e308", "5e-324", "2.2250738585072014e-308", "1e-7", "123456.789")] + [None]
BIG_INTEGERS = [Raw(text) for text in ("18446744073709551615", "-9223372036854775809", "9" * 38, "-" + "9" * 38, "7")] + [None]
TEXTS = ["", " ", "a", "null", "NULL", "NaN", "true", "1", "1.5", "2026-11-22x", "línea ß 日本 😀 e\u0301", "\"quoted\" 'it''s' \\ back", "two\nlines\r\n\ttab",
         "\u0000nul", "x" * 100_000, None]
TIMESTAMPS = ["1970-01-01T00:00:00Z", "2026-11-22T13:14:15.123456Z", "2026-11-22T13:14:15.000001+05:45", "1969-12-31T23:59:59.999999Z", "2026-03-29T02:30:00+01:00",
              "1900-01-01T00:00:00Z", "2038-01-19T03:14:08Z", "2261-12-31T23:59:59.999Z", None]
EARLY_TIMESTAMPS = ["1899-12-31T23:59:59.999999Z", "1883-11-18T12:00:00-08:00", "1582-10-15T00:00:00Z", "1582-10-14T00:00:00Z", "1582-10-04T23:59:59Z",
                    "1000-02-29T00:00:00+01:00".replace("02-29", "02-28"), "0001-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]
LATE_TIMESTAMPS = ["2262-04-12T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-01-01T00:00:00Z"]
DATES = ["1970-01-01", "2026-11-22", "1969-12-31", "2024-02-29", "1900-01-01", "2261-12-31", None]
EARLY_DATES = ["1899-12-31", "1582-10-15", "1582-10-14", "1582-10-05", "1582-10-04", "1000-03-01", "0001-01-01", "2026-01-01"]
LATE_DATES = ["2262-04-12", "2299-12-31", "2300-01-01", "9999-12-31", "2026-01-01"]
NAMES = ["with space", "with.dot", "a.b.c", "double\"quote", "single'quote", "back`tick", "semi;colon,comma", "braces{}()[]", "per%cent", "50%25", "slash/back\\slash",
         "equal=sign", "#hash", "@odata.type", "$ref", "-", "1", "1st", "ünïcødé", "日本語", "😀", "select", "from", "group", "order", "null", "true", "tab\tname",
         "line\nname", "x" * 300, "_underscore", "__index_level_0__", " lead", "trail ", "*", "a:b", "?"]
DECIMALS = {"price": ("decimal(18,2)", 18, 2, ["0.00", "0.01", "-9999999999999999.99", "9999999999999999.99", None]),
            "small": ("decimal(9,4)", 9, 4, ["0.0001", "-99999.9999", "99999.9999", "1", None]),
            "whole": ("decimal(38,0)", 38, 0, ["0", "9" * 38, "-" + "9" * 38, "1", None]),
            "mixed": ("decimal(38,9)", 38, 9, ["0.000000001", "9" * 29 + "." + "9" * 9, "-" + "9" * 29 + "." + "9" * 9, "1.5", None]),
            "fraction": ("decimal(38,38)", 38, 38, ["0." + "0" * 37 + "1", "0." + "9" * 38, "-0." + "9" * 38, "0", None])}


def scalars(name: str, **more) -> Table:
    """Every scalar, and null in each."""
    columns = {"id": "integer", "boolean": "boolean", "integer": "integer", "float": "float", "text": "text", "timestamp": "timestamp", "date": "date"}
    values = {"boolean": [True, False], "integer": INTEGERS, "float": FLOATS, "text": [t for t in TEXTS if t is None or len(t) < 1000], "timestamp": TIMESTAMPS, "date": DATES}
    records = [{"id": row, **{column: each[row % (len(each) + 1)] if row % (len(each) + 1) < len(each) else None for column, each in values.items()}}
               for row in range(40)]
    return Table(name, columns, [records], **more)


def decimals() -> Table:
    columns = {"id": "integer", **{column: (label, "decimal") for column, (label, *_) in DECIMALS.items()}}
    records = [{"id": row, **{column: None if values[row] is None else Raw(values[row]) for column, (*_, values) in DECIMALS.items()}} for row in range(5)]
    hints = ", ".join(f"{column}: {{data_type: decimal, precision: {p}, scale: {s}}}" for column, (_, p, s, _) in DECIMALS.items())
    return Table("decimals", columns, [records], resource=f"columns: {{{hints}}}")


def nested() -> list:
    structs = {"a": "integer", "b": "text", "inner": {"c": "float", "at": "timestamp", "d": "date"}}
    people = [{"name": "text", "tags": ["text"], "home": {"city": "text", "zip": "integer"}}]
    full = {"a": 1, "b": "x", "inner": {"c": Raw("1.5"), "at": TIMESTAMPS[1], "d": "2026-11-22"}}
    deep_kind, deep_value = "integer", 7
    for level in range(10):
        deep_kind, deep_value = ({f"l{level}": deep_kind}, {f"l{level}": deep_value}) if level % 2 else ([deep_kind], [deep_value])
    return [
        Table("objects", {"id": "integer", "o": structs}, [numbered([full, {"a": None, "b": None, "inner": None}, {"a": 2}, {}, None], "o")]),
        Table("lists", {"id": "integer", "i": ["integer"], "t": ["text"], "at": ["timestamp"], "ll": [["integer"]]},
              [[{"id": 0, "i": [1, 2, 3], "t": ["", "x"], "at": [TIMESTAMPS[1]], "ll": [[1], [], [2, 3]]},
                {"id": 1, "i": [], "t": [], "at": [], "ll": []}, {"id": 2, "i": None, "t": None, "at": None, "ll": None},
                {"id": 3, "i": [None, 4], "t": [None], "at": [None], "ll": [None, [None]]}]]),
        Table("lists_of_objects", {"id": "integer", "people": people},
              [numbered([[{"name": "Ann", "tags": ["a", "b"], "home": {"city": "Ulm", "zip": 89073}}, {"name": None, "tags": [], "home": None}], [], None,
                         [None, {"name": "Bo", "tags": None, "home": {"city": None, "zip": 1}}]], "people")]),
        Table("deep", {"id": "integer", "v": ("10 levels of objects and lists", deep_kind)}, [numbered([deep_value, None])]),
        Table("empty_lists", {"id": "integer", "v": ("list, never with an element", ["null only"])}, [numbered([[], None, []])]),
        Table("json", {"id": "integer", "declared": "JSON text", "mixed": "JSON text"},
              [[{"id": 0, "declared": {"a": 1, "b": ["x", Raw("1.50")]}, "mixed": {"a": 1}}, {"id": 1, "declared": {"key 1": {"z": True}}, "mixed": [1, 2]},
                {"id": 2, "declared": [], "mixed": {"b": "x"}}, {"id": 3, "declared": None, "mixed": None}]], resource="columns: {declared: {data_type: json}}"),
        Table("null_only", {"id": "integer", "n": "null only", "o": {"n": "null only", "x": "integer"}, "l": ["null only"]},
              [[{"id": 0, "n": None, "o": {"n": None, "x": 1}, "l": [None]}, {"id": 1, "n": None, "o": None, "l": None}]]),
    ]


def partitions() -> list:
    odd = ["plain", "with space", "a/b", "x=y", "50%", "%41", "c:d", "täg 1", "日本", "null", "it's", "\"q\"", "#", "a?b*c", "[x]", "{y}", "back\\slash", "😀", "-", ".", "..", None]
    times = ["2026-11-22T13:14:15.5Z", "2025-12-31T23:30:00-02:00", "1969-12-31T23:59:59Z", None]
    hour = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(datetime.timezone.utc)
    return [
        partitioned("partition_text", "text", odd, "", str),
        partitioned("partition_integer", "integer", [7, -1, 2**62, 0, None], "", str),
        partitioned("partition_boolean", "boolean", [True, False, None], "", lambda v: str(v).lower()),
        partitioned("partition_date", "date", ["2026-11-22", "1969-12-31", None], "", str),
        partitioned("partition_timestamp", "timestamp", ["2026-11-22T13:14:15Z", "1969-12-31T23:59:59Z", None], "", str),
        partitioned("partition_decimal", "decimal", [Raw("1.50"), Raw("-2.00"), None], "", str, resource="columns: {v: {data_type: decimal, precision: 9, scale: 2}, w: {data_type: text}}"),
        partitioned("partition_year", "timestamp", times, "year", lambda v: f"{hour(v):%Y}"),
        partitioned("partition_month", "timestamp", times, "month", lambda v: f"{hour(v):%Y-%m}"),
        partitioned("partition_day", "timestamp", times, "day", lambda v: f"{hour(v):%Y-%m-%d}"),
        partitioned("partition_hour", "timestamp", times, "hour", lambda v: f"{hour(v):%Y-%m-%d-%H}"),
        partitioned("partition_date_month", "date", ["2026-11-22", "2025-01-01", None], "month", lambda v: v[:7]),
        partitioned("partition_truncate_text", "text", ["äbc", "zzz", "z", None], "truncate[2]", lambda v: v[:2]),
        partitioned("partition_truncate_integer", "integer", [7, 12, -3, None], "truncate[10]", lambda v: str(v // 10 * 10)),
        partitioned("partition_bucket", "integer", [34, 34, None], "bucket[16]", lambda v: "3"),
        Table("partition_two", {"id": "integer", "at": "timestamp", "w": "text"},
              [[{"id": n, "code": ("EWR", "JFK", None)[n % 3], "at": f"2026-{n % 4 + 1:02}-01T00:00:00Z", "w": "x"} for n in range(24)]],
              partitions={"code": ("partition: text", lambda row: row["code"] or NULL_FOLDER), "at_month": ("partition: month of timestamp", lambda row: row["at"][:7])},
              resource="partition_by: [code, {column: at, transform: month}]"),
        Table("partition_named", {"id": "integer"}, [[{"id": 0, "my col": "a"}, {"id": 1, "my col": "b"}]],
              partitions={"my col": ("partition: text", lambda row: row["my col"])}, resource="partition_by: ['my col']"),
    ]


def guessed() -> list:
    """Folders without null's among them: of values whose type readers guess, and text that looks like such values beside its folders."""
    decimal_hint = "columns: {v: {data_type: decimal, precision: 9, scale: 2}, w: {data_type: text}}"
    typed = lambda name, kind, values, folder, **more: partitioned(
        f"folders_{name}", kind, values, "", folder, label=f"partition, no null: {name.replace('_', ' ')}", **more)
    return [
        typed("integer", "integer", [7, 0, 3, -1], str),
        typed("long_integer", "integer", [2**62, 7], str),
        typed("decimal", "decimal", [Raw("1.50"), Raw("-2.00")], str, resource=decimal_hint),
        typed("date", "date", ["2026-11-22", "1969-12-31"], str),
        typed("timestamp", "timestamp", ["2026-11-22T13:14:15Z", "1969-12-31T23:59:59Z"], str),
        typed("boolean", "boolean", [True, False], lambda v: str(v).lower()),
        told_text("digits", ["01234", "1234", "00501", "7"], "as: v_folder", str),
        told_text("mixed", ["01234", "A12", "1.50", "1e5", "-0", "true", "False", "May", "3M", "T1", "2D", "inf", "10:11"], BUCKET, bucket_of),
        told_text("dates", ["2026-11-22", "2025-01-01", "1969-12-31", "2026-11", "1-800"], BUCKET, bucket_of),
        told_text("times", ["2026-11-22T13:14:15Z", "2025-01-01 00:00:00"], BUCKET, bucket_of),
    ]


BUCKET = "transform: 'bucket[16]'"


def told_text(name: str, values: list, level: str, folder) -> Table:
    """Text that looks like something else, in files beside folders that look alike."""
    column = "v_folder" if level.startswith("as") else "v_bucket"
    return Table(f"text_like_{name}", {"id": "integer", "v": (f"text like {name}", "text")}, [numbered(values)],
                 partitions={column: (f"partition beside text like {name}", lambda row: folder(row["v"]))},
                 resource=f"columns: {{v: {{data_type: text}}}}\npartition_by: [{{column: v, {level}}}]")


def bucket_of(text: str) -> str:
    """Iceberg's bucket of 16: Murmur3 in 32 bits, modulo."""
    data, mask = text.encode(), 0xFFFFFFFF
    scramble = lambda word: ((((word * 0xCC9E2D51) & mask) << 15 | ((word * 0xCC9E2D51) & mask) >> 17) & mask) * 0x1B873593 & mask
    tail, digest = len(data) // 4 * 4, 0
    for at in range(0, tail, 4):
        digest ^= scramble(int.from_bytes(data[at:at + 4], "little"))
        digest = ((digest << 13 | digest >> 19) & mask) * 5 + 0xE6546B64 & mask
    digest ^= scramble(int.from_bytes(data[tail:], "little")) if data[tail:] else 0
    digest ^= len(data)
    digest = (digest ^ digest >> 16) * 0x85EBCA6B & mask
    digest = (digest ^ digest >> 13) * 0xC2B2AE35 & mask
    return str(((digest ^ digest >> 16) & 0x7FFFFFFF) % 16)


def evolved() -> list:
    first = [{"id": n, "to_float": n, "to_decimal": n, "to_text": n, "to_json": {"a": n}, "o": {"a": n}, "l": [{"a": n}], "late_type": None, "gone": n} for n in range(4)]
    second = [{"id": 2, "to_float": Raw("2.5"), "to_decimal": Raw("9" * 25), "to_text": "two", "to_json": "text", "o": {"a": 2, "b": "x"}, "l": [{"a": 2, "b": [1]}],
               "late_type": True, "new": "n2"}, {"id": 4, "new": "n4"}]
    third = [{"id": 0, "third": {"deep": [1]}, "o": {"c": {"d": "2026-11-22"}}, "to_float": Raw("0.5")}]
    rows = {record["id"]: record for night in (first, second, third) for record in night}
    columns = {"id": "integer", "to_float": "float", "to_decimal": ("integer past 64 bits", "decimal"), "to_text": "text", "to_json": "JSON text",
               "o": {"a": "integer", "b": "text", "c": {"d": "date"}}, "l": [{"a": "integer", "b": ["integer"]}], "late_type": "boolean", "gone": "integer", "new": "text",
               "third": {"deep": ["integer"]}}
    everything = Table("evolved", columns, [first, second, third])
    plain = [{"id": n, "day": f"2026-11-{n + 1:02}", "n": n} for n in range(5)]
    later = [{"id": n, "day": f"2026-11-{n + 1:02}", "n": Raw(f"{n}.5"), "more": [n]} for n in (1, 5)]
    folders = Table("evolved_partitions", {"id": "integer", "n": "float", "more": ["integer"]}, [plain, later],
                    partitions={"day": ("partition: date", lambda row: row["day"])}, resource="partition_by: [day]")
    return [everything, folders]


def spliced() -> Table:
    """A large file of two row groups, which gets columns twice while the rows that bring them go to another folder."""
    noise = random.Random(1)
    text = lambda: "".join(noise.choices(string.ascii_letters + string.digits + "-_", k=100_000))
    first = [{"id": n, "k": "a", "v": text()} for n in range(80)]
    second = [{"id": 100 + n, "k": "a", "v": f"v{n}"} for n in range(3)]
    third = [{"id": 200, "k": "b", "v": "x", "new_text": "t", "new_int": 1, "new_float": Raw("0.5"), "new_at": "2026-11-22T13:14:15.123456Z", "new_date": "2026-11-22",
              "o": {"a": 1, "b": {"c": "x"}}, "l": [1, None], "lo": [{"a": 1, "l": ["x"]}]}]
    fourth = [{"id": 201, "k": "b", "v": "y", "last": True}]
    columns = {"id": "integer", "v": "text", "new_text": "text", "new_int": "integer", "new_float": "float", "new_at": "timestamp", "new_date": "date",
               "o": {"a": "integer", "b": {"c": "text"}}, "l": ["integer"], "lo": [{"a": "integer", "l": ["text"]}], "last": "boolean"}
    return Table("spliced", columns, [first, second, third, fourth], partitions={"k": ("partition: text", lambda row: row["k"])},
                 resource="partition_by: [k]", is_spliced=True)


def large(name: str, rows: int, **more) -> Table:
    """Many rows: several pages, and more distinct texts than a dictionary holds."""
    records = [{"id": n, "few": f"group {n % 7}", "many": f"{n:05} " + "lorem ipsum " * 20, "n": n * 7919 % 10007 if n % 11 else None, "f": Raw(f"{n / 8!r}"),
                "at": f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}T{n % 24:02}:00:00.{n:06}Z", "l": list(range(n % 4))} for n in range(rows)]
    return Table(name, {"id": "integer", "few": "text", "many": "text", "n": "integer", "f": "float", "at": "timestamp", "l": ["integer"]}, [records], **more)


def many_files() -> Table:
    """Eight hundred rows in two hundred folders."""
    table = large("many_files", 800)
    table.partitions = {"n_truncate": ("partition: truncate[50] of integer", lambda row: NULL_FOLDER if row["n"] is None else str(row["n"] // 50 * 50))}
    table.resource = "partition_by: [{column: n, transform: 'truncate[50]'}]"
    return table


def rolled_back() -> list:
    """Tables of a lake that was rolled back over a night that changed rows, types, folders and files."""
    first = [{"id": n, "code": ("EWR", "JFK")[n % 2], "v": n, "o": {"a": n}, "gone": False} for n in range(6)]
    second = [{"id": n, "code": ("EWR", "LGA")[n % 2], "v": f"text {n}", "o": {"a": n, "b": "x"}, "new": [n], "gone": n == 2} for n in (0, 2, 3, 6)]
    columns = {"id": "integer", "v": "integer", "o": {"a": "integer"}, "gone": "boolean"}
    more = {"rows": first, "back_to": 1}
    hard = "columns: {gone: {hard_delete: true, data_type: bool}}"
    return [
        Table("rolled_back", {**columns, "code": "text"}, [first, second], resource=hard, **more),
        Table("rolled_back_partitions", columns, [first, second], partitions={"code": ("partition: text", lambda row: row["code"])},
              resource=f"{hard}\npartition_by: [code]", **more),
    ]


def sparse() -> list:
    """Tables of no rows, no columns or one value."""
    declared = "columns: {amount: {data_type: decimal, precision: 18, scale: 2}, at: {data_type: timestamp}, name: {data_type: text}}"
    flagged = [{"id": n, "v": "x", "gone": n == 9} for n in range(3)]
    hard = "columns: {gone: {hard_delete: true, data_type: bool}}\nexpect: {max_shrink: 100%}"
    deleted = [{**record, "gone": True} for record in flagged]
    columns = {"id": "integer", "v": "text", "gone": "boolean"}
    return [
        Table("emptied", columns, [flagged, deleted], rows=[], resource=hard),
        Table("emptied_and_filled", columns, [flagged, deleted, flagged], resource=hard),
        Table("emptied_partitions", {"id": "integer", "gone": "boolean"}, [flagged, deleted], rows=[], resource=f"{hard}\npartition_by: [v]",
              partitions={"v": ("partition: text", lambda row: row["v"])}),
        Table("empty_and_filled", columns, [[], flagged], resource=hard),
        Table("empty_declared", {"amount": ("decimal(18,2)", "decimal"), "at": "timestamp", "name": "text"}, [[]], rows=[], resource=declared + "\nprimary_key: null\nwrite_disposition: replace"),
        Table("one_row", {"id": "integer"}, [[{"id": 1}]]),
    ]


def all_tables() -> list:
    modern = (("compat", "modern"),)
    names = Table("names", {"id": "integer", **{name: "text" for name in NAMES}}, [[{"id": n, **{name: f"{n}{name}" for name in NAMES}} for n in range(2)]])
    names_in_objects = Table("names_in_objects", {"id": "integer", "o": {name: "integer" for name in NAMES}}, [[{"id": n, "o": {name: n for name in NAMES}} for n in range(2)]])
    return [
        scalars("scalars"),
        one_column("big_integers", ("integer past 64 bits", "decimal"), BIG_INTEGERS),
        decimals(),
        one_column("texts", "text", TEXTS),
        one_column("text_bom", ("text with a byte order mark", "text"), ["\ufeffbom", "bom"]),
        one_column("timestamps", "timestamp", TIMESTAMPS),
        one_column("timestamps_early", ("timestamp before 1900", "timestamp"), EARLY_TIMESTAMPS),
        one_column("timestamps_late", ("timestamp after 2262", "timestamp"), LATE_TIMESTAMPS),
        one_column("dates", "date", DATES),
        one_column("dates_early", ("date before 1900", "date"), EARLY_DATES),
        one_column("dates_late", ("date after 2262", "date"), LATE_DATES),
        *nested(),
        names,
        names_in_objects,
        *partitions(),
        *guessed(),
        *evolved(),
        *rolled_back(),
        spliced(),
        large("large", 5000),
        many_files(),
        large("split_by_size", 5000, lake=(("target_file_size", "20kB"),), least_files=10),
        scalars("codec_snappy", lake=(("compression", "snappy"),)),
        scalars("codec_none", lake=(("compression", "none"),)),
        scalars("sorted", resource="sort_by: [float, text]"),
        *sparse(),
        scalars("modern_scalars", lake=modern),
        large("modern_large", 5000, lake=modern),
    ]


TABLES = all_tables()
