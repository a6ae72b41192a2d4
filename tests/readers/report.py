"""Makes `docs/readers.md` of what the readers of the matrix showed.

In: `outcome.json`'s content. Out: the document's text.
"""

import ast

import compare
import environments
import registry

HEAD = """# What readers show

<!-- Made by `./tests/run matrix --write`: change tests/readers/report.py and not this file. -->

Every table that the tests write is read by the readers below, each as installed from its registry and with its defaults, and compared
value by value with what the API sent: all types, nested values, partitions with every transform, times of the years 1 to 9999, odd
names, tables that evolved or were rolled back, tables of many files and of none. `./tests/run matrix` runs them all, `./tests/run` the oldest and newest of each family.

## Readers

| reader | reads a table by | runs in `./tests/run` |
|---|---|---|
"""

LIMITS = """
## Limits

What a version cannot do with tables of the kinds named; everything else agrees to the last digit, but for the spellings below.

| reader | tables | why |
|---|---|---|
"""

TYPES = """
## What is shown for each type

The type as the reader names it, and how its values are spelled where that is not their own way.
The type of a *partition* column is guessed from its folders, as told above.
`refused` and `limited` are explained above.
"""

GUESSED = """
## How the type of a partition column is guessed

A partition column stands in the names of folders, which are text: a reader sees `v=3` and not what the API sent. This is what each reader
takes folders for where all of a column look alike and none is null's; what a null folder beside them does stands further down, by reader.

| reader | integers: `3` | up to 64 bits: `4611686018427387904` | with a point: `1.50` | dates: `2026-11-22` | times: `2026-11-22T13:14:15Z` | `true`, `false` |
|---|---|---|---|---|---|---|
"""

LIKE_TEXT = """
Text that looks like such values would be taken for them, and `01234` would be the same as `1234`. So a run that would put it into folders that
alone hold its column is refused; with `transform: 'bucket[16]'`, and for whole numbers with `as`, the column stays in the files. Folders beside
a column of text look alike, as some readers refuse a number beside a word. This is what each reader shows of such a column:

| reader | digits: `01234`, `1234` | mixed: `A12`, `1e5`, `true`, `May`, `2D` | dates: `2026-11-22`, `2026-11` | times: `2026-11-22T13:14:15Z` |
|---|---|---|---|---|
"""

# What such a table holds, in the order of the columns of `GUESSED` and `LIKE_TEXT`.
VALUES = tuple(f"partition, no null: {look}" for look in ("integer", "long integer", "decimal", "date", "timestamp", "boolean"))
TEXTS = tuple(f"text like {look}" for look in ("digits", "mixed", "dates", "times"))


def guess(entry: dict | None) -> str:
    """What a reader takes folders for."""
    if entry is None or not entry["types"]:
        return "refused"
    if "values" not in entry:
        return f"text: {', '.join(f'`{each}`' for each in entry['types'])}" + (", limited" if entry["limited"] else "")
    if entry["values"] == ["text"]:
        return "text, as it is escaped (`%3A`)" if entry["limited"] else "text"
    shown = f"{' or '.join(entry['values'])}: {', '.join(f'`{each}`' for each in entry['types'])}"
    return shown + (", limited" if entry["limited"] and "guessed" in entry["spellings"] else "")


def guesses(readers: list, outcome: dict, looks: tuple) -> str:
    """A row for each run of versions of a family that guess alike; readers of files see no folders."""
    rows = []
    for reader in readers:
        shown = outcome[reader.name]
        if not any(label in shown for label in looks):
            continue
        cells = [guess(shown.get(look)) for look in looks]
        if rows and rows[-1][0] == reader.family and rows[-1][2] == cells:
            rows[-1][1].append(reader.version)
        else:
            rows.append((reader.family, [reader.version], cells))
    return "".join(f"| {family} {' – '.join(dict.fromkeys((versions[0], versions[-1])))} | {' | '.join(cells)} |\n" for family, versions, cells in rows)


def short(name: str) -> str:
    """A type's name without the fields of objects."""
    name = " ".join(name.split())
    if len(name) <= 40:
        return name
    cut = min((at for at in map(name.find, "<({[:") if at > 0), default=40)
    return f"{name[:cut]}…"


def how(reader: registry.Reader) -> str:
    """The reader's line of its script's header."""
    source = environments.HERE / "read" / reader.script
    if reader.script == "hyparquet":
        text = (source / "read.mjs").read_text().splitlines()[0].removeprefix("// ")
    elif reader.script == "parquet50":
        text = (source / "src/main.rs").read_text().splitlines()[0].removeprefix("//! ")
    else:
        text = (ast.get_docstring(ast.parse(source.read_text())) or "").splitlines()[0]
    return text.split(": ", 1)[1].split(". ")[0].rstrip(".").replace("|", "\\|")


def cell(entry: dict | None) -> str:
    if entry is None:
        return ""
    if not entry["types"]:
        return "refused" if not entry["limited"] else "limited"
    spellings = [compare.DEVIATIONS[each] for each in entry["spellings"]]
    words = ", ".join(f"`{each}`" for each in entry["types"]).replace("|", "\\|")
    return words + (f" ({'; '.join(spellings)})" if spellings else "") + (", limited" if entry["limited"] else "")


def document(outcome: dict) -> str:
    readers = [reader for reader in registry.READERS if reader.name in outcome]
    text = HEAD + "".join(f"| {reader.name} | {how(reader)} | {'yes' if reader.in_ci else ''} |\n" for reader in readers)
    text += LIMITS
    for reader in readers:
        reasons = {}
        for limit, reason in reader.limits.items():
            reasons.setdefault(reason, []).append(f"`{limit}`")
        text += "".join(f"| {reader.name} | {', '.join(places)} | {reason} |\n" for reason, places in reasons.items())
    text += GUESSED + guesses(readers, outcome, VALUES) + LIKE_TEXT + guesses(readers, outcome, TEXTS)
    text += TYPES
    for family in dict.fromkeys(reader.family for reader in readers):
        members = [reader for reader in readers if reader.family == family]
        labels = sorted({label for reader in members for label in outcome[reader.name]}, key=lambda label: (label.startswith("partition"), label))
        text += f"\n### {family}\n\n| | {' | '.join(reader.version for reader in members)} |\n|---|{'---|' * len(members)}\n"
        for label in labels:
            text += f"| {label} | {' | '.join(cell(outcome[reader.name].get(label)) for reader in members)} |\n"
    return text
