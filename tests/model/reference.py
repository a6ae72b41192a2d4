"""What a table must hold: the promise, in memory.

In: the records that the API had on each night that was loaded. Out: the `uid`s that the table's rows must have, and whether a row holds the
very values of its record. Knows nothing of lakeward's code.
"""

import collections
import copy
import datetime
import decimal
import json
import math
import urllib.parse

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"


def is_refused(resource) -> bool:
    """Whether a run must refuse what the API has tonight, so that the table stays last night's."""
    if resource.lie and not resource.estimates:
        return True
    if resource.parent is None:
        return are_rejects_refused(resource.max_rejects, len(resource.bad), len(resource.records))
    parents = {record.key[1] for record in resource.parent.tonight()}
    vanished = len(parents & resource.vanished)
    allowed = len(parents) if resource.skips_vanished else max(1, len(parents) // 20)
    return is_refused(resource.parent) or vanished > allowed or 0 < len(parents) == vanished


def are_rejects_refused(allowed, bad: int, good: int) -> bool:
    if not bad:
        return False
    if allowed == "tenth":
        allowed = max(1, (bad + good) // 10)
    return allowed is None or bad > allowed or not good


class Table:
    """The rows of one table, as uids, and the cursor that goes with them."""

    def __init__(self):
        # A merged table's rows by key, those of another one by uid: the uid, how often, and the members that a contract took out.
        self.rows: dict = {}
        self.cursor = None
        self.loaded: frozenset = frozenset()
        # What a contract holds the table to: columns, and whether they have texts. Only known where there is a contract.
        self.shape: dict = {}

    def key(self) -> tuple:
        lacking = tuple(sorted((uid, times, sorted(without)) for uid, times, without in self.rows.values()))
        return repr(lacking), self.cursor, tuple(sorted(self.loaded)), tuple(sorted(self.shape.items()))

    def without_cursor(self) -> "Table":
        """The rows alone."""
        after = Table()
        after.rows = self.rows
        return after

    def uids(self) -> collections.Counter:
        counts: collections.Counter = collections.Counter()
        for uid, times, _ in self.rows.values():
            counts[uid] += times
        return counts

    def lacking(self) -> dict:
        """For each uid the sets of members that its rows may lack."""
        found: dict = {}
        for uid, _, without in self.rows.values():
            found.setdefault(uid, set()).add(without)
        return found

    def night(self, resource, refresh: bool) -> "Table | None":
        """The table after a run; `None` where the run must refuse it."""
        if is_refused(resource):
            return None
        after = Table() if refresh else copy.deepcopy(self)
        admitted = after.admit(resource, [r for r in resource.tonight() if not r.is_bad])
        if admitted is None:
            return None
        records = [record for record, _ in admitted]
        without = {id(record): lacks for record, lacks in admitted}
        if resource.is_incremental:
            records = [r for r in records if after.cursor is None or r.cursor >= after.cursor]
            if resource.disposition == "append":
                records = [r for r in records if r.uid not in after.loaded]
        if resource.disposition == "replace":
            after.rows = {}
        if resource.disposition == "merge":
            after.merge(resource, records, without)
        else:
            for record in records:
                key = (record.uid, without[id(record)])
                after.rows[key] = (record.uid, after.rows.get(key, (0, 0))[1] + 1, without[id(record)])
        if resource.is_incremental and records:
            after.cursor = max([r.cursor for r in records] + ([] if after.cursor is None else [after.cursor]))
            after.loaded = after.loaded | {r.uid for r in records}
        return after

    def merge(self, resource, records: list, without: dict) -> None:
        latest: dict = {}
        for record in records:
            key = tuple(record.members.get(name, record.parent) for name in resource.key)
            # The rank of a record is its uid.
            if not resource.dedup_sort or key not in latest or record.uid >= latest[key].uid:
                latest[key] = record
        for key, record in latest.items():
            if resource.insert_only and key in self.rows:
                continue
            if record.deleted:
                self.rows.pop(key, None)
            else:
                self.rows[key] = (record.uid, 1, without[id(record)])

    def admit(self, resource, records: list) -> list | None:
        """The records that the contract lets in, each with the members that it takes out; `None` where it stops the run."""
        if resource.contract is None:
            return [(record, frozenset()) for record in records]
        about, mode = resource.contract
        if not self.shape:
            mode = "evolve"
        admitted, shape = [], dict(self.shape)
        for record in records:
            texts = {column.name: record.members[column.name].startswith('"') for column in resource.columns if column.name in record.members}
            new = frozenset(name for name in texts if name not in self.shape)
            other = frozenset(name for name, is_text in texts.items() if is_text and self.shape.get(name) is False)
            foreseen = new if about == "columns" else other
            if foreseen and mode == "freeze":
                return None
            if foreseen and mode == "discard_row":
                continue
            without = foreseen if mode == "discard_value" else frozenset()
            admitted.append((record, without))
            for name in texts.keys() - without:
                shape[name] = shape.get(name, False) or texts[name]
        if records and not admitted:
            return None
        self.shape = shape
        return admitted


def parse(token: str):
    """A JSON token as Python values; numbers as exact decimals."""
    return json.loads(token, parse_float=decimal.Decimal, parse_int=decimal.Decimal)


def instant(text: str):
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def same(value, expected) -> bool:
    """Whether a reader's `value` is what was sent. Types widen; the value must not change on the way."""
    match expected:
        case None:
            return value is None or value == "null"
        case bool():
            return value is expected or value == json.dumps(expected)
        case decimal.Decimal():
            return same_number(value, expected)
        case str():
            return same_text(value, expected)
        case list():
            if isinstance(value, str):
                return same_json(value, expected)
            return isinstance(value, list) and len(value) == len(expected) and all(map(same, value, expected))
        case dict():
            if isinstance(value, str):
                return same_json(value, expected)
            if value is None:
                return not any(v is not None for v in expected.values()) and not expected
            return isinstance(value, dict) and all(same(value.get(name), inner) for name, inner in expected.items()) and all(
                inner is None for name, inner in value.items() if name not in expected)
    return False


def same_field(value, expected: str) -> bool:
    """Whether a reader's `value` is what a field of a CSV page said."""
    if isinstance(value, bool):
        return expected == json.dumps(value)
    # A number of an earlier night, whose column became text since, has its shortest text.
    try:
        return same_text(value, expected) or same_number(value, decimal.Decimal(expected))
    except decimal.InvalidOperation:
        return False


def same_number(value, expected: decimal.Decimal) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, float):
        return math.isfinite(value) and decimal.Decimal(repr(value)) == expected
    if isinstance(value, (int, decimal.Decimal)):
        return decimal.Decimal(value) == expected
    if isinstance(value, str):
        try:
            return decimal.Decimal(value) == expected
        except decimal.InvalidOperation:
            return False
    return False


def same_text(value, expected: str) -> bool:
    if isinstance(value, str):
        if value == expected or value == json.dumps(expected) or value == json.dumps(expected, ensure_ascii=False):
            return True
        moment = instant(expected)
        return moment is not None and instant(value) == moment
    if isinstance(value, datetime.datetime):
        zone = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return instant(expected) == zone
    if isinstance(value, datetime.date):
        return value.isoformat() == expected
    return False


def same_json(text: str, expected) -> bool:
    """JSON text of a value; a null member and a missing one are the same after a night on which the column was a struct."""
    try:
        found = parse(text)
    except ValueError:
        return False
    return without_nulls(found) == without_nulls(expected)


def same_json_text(text: str, token: str) -> bool:
    """The API's own text: names in their order, null members, each number's digits. Escapes and white space mean nothing."""

    def own(json_text: str):
        return json.loads(json_text, parse_float=lambda t: ("number", t), parse_int=lambda t: ("number", t), object_pairs_hook=tuple)

    try:
        return own(text) == own(token)
    except ValueError:
        return False


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def folder_text(record, partition: dict) -> str:
    """The text that the record's partition folder must carry after `=`."""
    token = record.members.get(partition["column"], "null")
    value = parse(token)
    if value is None:
        return NULL_FOLDER
    text = token if not isinstance(value, str) else value
    match partition.get("transform"):
        case None:
            return text
        case "day":
            return text[:10]
        case "month":
            return text[:7]
        case "truncate":
            return text[: partition["width"]]
        case other:
            raise ValueError(other)


def unescape(text: str) -> str:
    return urllib.parse.unquote(text)
