"""Compares what a reader gave of a table with what the API sent, value by value.

In: a `tables.Table` and the reader's answer. Out: for each column the type that the reader names, and how its values deviate in
spelling. What is no deviation of the list below is a difference.
"""

import datetime
import decimal
import json
import math

import tables

# How a value may be spelled otherwise, with the words of the documentation.
DEVIATIONS = {
    "double": "the nearest double",
    "integer": "an integer",
    "naive": "without its zone (UTC)",
    "milliseconds": "cut to milliseconds",
    "time": "a time at midnight",
    "instant": "a time at midnight UTC",
    "bytes": "bytes",
    "nan": "NaN for null",
    "flat": "one column a field",
    "absent": "not shown",
    "guessed": "the type is guessed from the folders",
    "word": "the text of null's folder",
    "number": "1 and 0",
    "empty": "an empty list for null",
    "hollow": "an object of nulls for null",
}


class Difference(Exception):
    """A reader gave something else than came."""


def same_float(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))


def difference(expected, found, used: set) -> bool:
    """Whether two tagged values differ; notes the deviations met."""
    if expected == found:
        return False
    if isinstance(expected, dict) and isinstance(found, dict):
        return set(expected) != set(found) or any(difference(inner, found[name], used) for name, inner in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) != len(found) or any(difference(a, b, used) for a, b in zip(expected, found))
    if expected is None and found in ("f:nan", []):
        used.add("empty" if found == [] else "nan")
        return False
    if expected is None and isinstance(found, dict) and hollow(found) is None:
        used.add("hollow")
        return False
    if isinstance(expected, bool) and found in ("f:1.0", "f:0.0"):
        used.add("number")
        return float(found[2:]) != expected
    if not (isinstance(expected, str) and isinstance(found, str)):
        if isinstance(expected, str) and expected[:2] == "p:":
            return folder_differs(expected[2:], found, used)
        return True
    (kind, wanted), (shown, given) = (expected[:1], expected[2:]), (found[:1], found[2:])
    match kind, shown:
        case "p", _:
            return folder_differs(wanted, found, used)
        case "f", "f":
            return not same_float(float(wanted), float(given))
        case ("d", "d") | ("d", "i") | ("i", "d"):
            if kind == "d" and shown == "i":
                used.add("integer")
            return decimal.Decimal(wanted) != decimal.Decimal(given)
        case ("d" | "i"), "f":
            used.add("double")
            return float(wanted) != float(given)
        case "z", ("z" | "n"):
            if shown == "n":
                used.add("naive")
            if int(wanted) != int(given):
                used.add("milliseconds")
            return int(given) not in (int(wanted), int(wanted) // 1000 * 1000, -(-int(wanted) // 1000 * 1000))
        case "D", ("z" | "n"):
            used.add("time" if shown == "n" else "instant")
            return int(wanted) * 86_400_000_000 != int(given)
        case "s", "b":
            used.add("bytes")
            return wanted.encode().hex() != given
    return True


def folder_differs(text: str, found, used: set) -> bool:
    """Whether a reader's value of a partition column is not that of the folder."""
    if found is None:
        return text != tables.NULL_FOLDER
    if isinstance(found, bool):
        used.add("guessed")
        return text.lower() != str(found).lower()
    if not isinstance(found, str):
        return True
    shown, given = found[:1], found[2:]
    if shown == "s":
        if text == tables.NULL_FOLDER and given == text:
            used.add("word")
        return given != text
    if text == tables.NULL_FOLDER:
        used.add("nan")
        return found != "f:nan"
    used.add("guessed")
    try:
        match shown:
            case "i":
                return int(given) != int(text)
            case "d" | "f":
                return decimal.Decimal(given) != decimal.Decimal(text)
            case "D":
                day = datetime.date(1970, 1, 1) + datetime.timedelta(days=int(given))
                return day.isoformat() not in (text, f"{text}-01", f"{text}-01-01")
            case "z" | "n":
                moment = tables.EPOCH.replace(tzinfo=None) + datetime.timedelta(microseconds=int(given))
                return moment != datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=None)
    except (ValueError, decimal.InvalidOperation):
        pass
    return True


def kind_shown(value) -> str:
    """What a reader takes a folder's value for; empty for null."""
    if isinstance(value, bool):
        return "booleans"
    kinds = {"s": "text", "b": "text", "i": "integers", "f": "floats", "d": "decimals", "D": "dates", "n": "times", "z": "times"}
    return kinds.get(value[:1], "other values") if isinstance(value, str) and value != "f:nan" else ""


def unflattened(column: str, kind, names: list) -> bool:
    return isinstance(kind, dict) and column not in names and any(name.startswith(f"{column}.") for name in names)


def nest(kind: dict, column: str, row: dict):
    """An object whose fields a reader shows as columns of their own; one of nulls is null."""
    fields = {name: nest(tables.kind_of(inner), f"{column}.{name}", row) if isinstance(tables.kind_of(inner), dict) else row.get(f"{column}.{name}")
              for name, inner in kind.items()}
    return hollow(fields)


def hollow(value):
    """An object of nulls, empty lists and NaN as null, all the way down."""
    if value in ("f:nan", []):
        return None
    if isinstance(value, dict):
        inner = {name: hollow(each) for name, each in value.items()}
        return inner if any(each is not None for each in inner.values()) else None
    return value


def compare(table: tables.Table, answer: dict, shows_folders: bool = True) -> dict:
    """For each column: `(type, deviations, difference or None)`."""
    names = [name for name, _ in answer["columns"]]
    expected, columns = table.expected(), {}
    found = [dict(zip(names, row)) for row in answer["rows"]]
    if len(expected) != len(found):
        raise Difference(f"{len(found)} rows instead of {len(expected)}")
    wanted = [*table.columns, *(table.partitions if shows_folders else ())]
    types = dict(answer["columns"])
    key = "id" if "id" in table.columns else None
    order = (lambda row: int(float(row[key][2:]))) if key else (lambda row: json.dumps(row, sort_keys=True))
    if key and any(not isinstance(row.get(key), str) for row in found):
        raise Difference(f"no `{key}` in {str(found[:1])[:300]}")
    expected, found = sorted(expected, key=order), sorted(found, key=order)
    for column in wanted:
        kind, used, wrong = tables.kind_of(table.columns.get(column, "p")), set(), None
        flat = unflattened(column, kind, names)
        if column not in types and not flat:
            columns[column] = ("", set(), "the column is not there")
            continue
        for a, b in zip(expected, found):
            if flat:
                used.add("flat")
                a, b = hollow(a[column]), nest(kind, column, b)
            else:
                a, b = a[column], b[column]
            if difference(a, b, used):
                wrong = f"{json.dumps(b, ensure_ascii=False)[:200]} instead of {json.dumps(a, ensure_ascii=False)[:200]}"
                break
        shown = types.get(column) or ", ".join(f"{name}: {each}" for name, each in types.items() if name.startswith(f"{column}."))
        columns[column] = (shown, used, wrong)
    extra = [name for name in names if name not in wanted and not any(name.startswith(f"{column}.") for column in wanted)]
    if extra:
        columns[extra[0]] = ("", set(), "the API sends no such column")
    return columns
