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


class Table:
    """The rows of one table, as uids, and the cursor that goes with them."""

    def __init__(self):
        self.rows: dict = {}  # a merged table's rows by key, else uid -> how often
        self.cursor = None
        self.loaded: frozenset = frozenset()

    def key(self) -> tuple:
        return tuple(sorted(self.uids().items())), self.cursor, tuple(sorted(self.loaded))

    def uids(self) -> collections.Counter:
        counts: collections.Counter = collections.Counter()
        for uid, times in self.rows.values():
            counts[uid] += times
        return counts

    def night(self, resource, records: list, refresh: bool) -> "Table":
        """The table after a run that read `records`."""
        after = Table() if refresh else copy.deepcopy(self)
        if resource.is_incremental:
            records = [r for r in records if after.cursor is None or r.cursor >= after.cursor]
            if resource.disposition == "append":
                records = [r for r in records if r.uid not in after.loaded]
        if resource.disposition == "replace":
            after.rows = {}
        if resource.disposition == "merge":
            latest: dict = {}
            for record in records:
                key = tuple(dict(zip(("id", "code"), record.key))[name] for name in resource.key)
                if not resource.dedup_sort or key not in latest or record.rank >= latest[key].rank:
                    latest[key] = record
            for key, record in latest.items():
                if resource.insert_only and key in after.rows:
                    continue
                if record.deleted:
                    after.rows.pop(key, None)
                else:
                    after.rows[key] = (record.uid, 1)
        else:
            for record in records:
                after.rows[record.uid] = (record.uid, after.rows.get(record.uid, (0, 0))[1] + 1)
        if resource.is_incremental and records:
            after.cursor = max([r.cursor for r in records] + ([] if after.cursor is None else [after.cursor]))
            after.loaded = after.loaded | {r.uid for r in records}
        return after


def number(text: str):
    return decimal.Decimal(text)


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
