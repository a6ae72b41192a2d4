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
names, tables that evolved, tables of many files and of none. `./tests/run matrix` runs them all, `./tests/run` the oldest and newest of each family.

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
A *partition* column stands in the names of folders, and its type is guessed from them by many readers: where that matters, declare it there.
`refused` and `limited` are explained above.
"""


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
    text += TYPES
    for family in dict.fromkeys(reader.family for reader in readers):
        members = [reader for reader in readers if reader.family == family]
        labels = sorted({label for reader in members for label in outcome[reader.name]}, key=lambda label: (label.startswith("partition"), label))
        text += f"\n### {family}\n\n| | {' | '.join(reader.version for reader in members)} |\n|---|{'---|' * len(members)}\n"
        for label in labels:
            text += f"| {label} | {' | '.join(cell(outcome[reader.name].get(label)) for reader in members)} |\n"
    return text
