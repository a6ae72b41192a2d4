"""Reads the tables of `tables.py` with the readers of `registry.py`, compares value by value, and keeps `docs/readers.md` true.

    matrix.py BINARY [--all] [--write] [--reader WORD]

By default the readers that are marked `in_ci` run; `--all` runs all, `--reader` those whose names contain the word. Ends non-zero when
a reader differs or refuses without a limit that says so, when a limit is met no more, and when `docs/readers.md` is not what came out;
`--write` writes it instead. What each reader showed is kept in `outcome.json`, of which the document is made.
"""

import argparse
import fnmatch
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import compare  # noqa: E402 - the folders of the tests come first
import environments  # noqa: E402
import lake  # noqa: E402
import registry  # noqa: E402
import report  # noqa: E402
import services  # noqa: E402
import tables  # noqa: E402

READ_SECONDS_MAX = 1200
OUTCOME = environments.HERE / "outcome.json"
DOCUMENT = environments.ROOT / "docs/readers.md"


def answers(reader: registry.Reader, written: dict, folder: pathlib.Path) -> dict:
    """What the reader says of each table; a table at which its process ends is refused, and the rest is read by another."""
    program, place = environments.command(reader)
    jobs, out, given = folder / "jobs.json", folder / "out.jsonl", {}
    waiting = {table.name: {"table": table.name, "path": str(written[table.name]), "partitions": list(table.partitions)} for table in tables.TABLES}
    while waiting:
        out.unlink(missing_ok=True)
        jobs.write_text(json.dumps(list(waiting.values())))
        with (folder / "stderr").open("w") as errors:
            process = subprocess.Popen([str(part) for part in [*program, jobs, out]], cwd=place, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                       env={**os.environ, "TZ": "UTC", "PYTHONHASHSEED": "0"}, preexec_fn=services.die_with_parent)
            try:
                code = process.wait(READ_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                code = "a time-out"
            finally:
                # Spark's Java outlives a Python that is killed.
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
        lines = out.read_text().splitlines() if out.exists() else []
        for line in lines:
            answer = json.loads(line)
            given[answer["table"]] = answer
            waiting.pop(answer["table"])
        if waiting:
            if not lines and len(given) == 0 and code != -11:
                raise RuntimeError(f"the reader ended with {code}: {(folder / 'stderr').read_text(errors='replace')[-1500:]}")
            ended = next(iter(waiting))
            given[ended] = {"error": f"its process ended with {code}"}
            waiting.pop(ended)
    return given


def differences(reader: registry.Reader, given: dict) -> tuple:
    """`(place, words)` of every difference, and what the reader shows for each label."""
    found, shown = [], {}
    for table in tables.TABLES:
        answer = given[table.name]
        labels = {column: tables.label_of(kind) for column, kind in table.columns.items()}
        if reader.shows_folders:
            labels |= {column: label for column, (label, _) in table.partitions.items()}
        try:
            if "error" in answer:
                raise compare.Difference(f"refused: {' '.join(answer['error'].split())[:300]}")
            columns = compare.compare(table, answer, reader.shows_folders)
        except compare.Difference as words:
            found.append((table.name, str(words)))
            for label in labels.values():
                shown.setdefault(label, {"types": [], "spellings": [], "limited": False})
            continue
        for column, (shown_type, spellings, wrong) in columns.items():
            strange = spellings - reader.spellings
            if wrong or strange:
                found.append((f"{table.name}.{column}", wrong or ", ".join(compare.DEVIATIONS[each] for each in sorted(strange))))
            entry = shown.setdefault(labels.get(column, column), {"types": [], "spellings": [], "limited": False})
            entry["types"] = sorted({*entry["types"], report.short(shown_type)} - {""})
            entry["spellings"] = sorted({*entry["spellings"], *spellings})
            entry["limited"] |= bool(wrong)
            names = [name for name, _ in answer["columns"]]
            if column in table.partitions and column in names:
                values = {compare.kind_shown(row[names.index(column)]) for row in answer["rows"]}
                entry["values"] = sorted({*entry.get("values", ()), *values} - {""})
    return found, shown


def judge(reader: registry.Reader, found: list) -> list:
    """The differences that no limit explains, and the limits that explain nothing."""
    met, faults = set(), []
    for place, words in found:
        limits = [limit for limit in reader.limits if fnmatch.fnmatchcase(place, limit) or fnmatch.fnmatchcase(place, f"{limit}.*")]
        met.update(limits)
        if not limits:
            faults.append(f"{place}: {words}")
    return faults + [f"the limit `{limit}` is met no more: take it out of registry.py" for limit in sorted(set(reader.limits) - met)]


def chosen(args) -> list:
    if args.reader:
        return [reader for reader in registry.READERS if args.reader.lower() in reader.name.lower()]
    return [reader for reader in registry.READERS if args.all or reader.in_ci]


def document_is_true(outcome: dict, write: bool) -> bool:
    text, kept = report.document(outcome), json.dumps(outcome, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if write:
        OUTCOME.write_text(kept)
        DOCUMENT.write_text(text)
    return OUTCOME.exists() and OUTCOME.read_text() == kept and DOCUMENT.exists() and DOCUMENT.read_text() == text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--reader", default="")
    args = parser.parse_args()
    outcome = json.loads(OUTCOME.read_text()) if OUTCOME.exists() else {}
    outcome = {reader.name: outcome[reader.name] for reader in registry.READERS if reader.name in outcome}
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory(prefix="lakeward-matrix-") as folder:
        written = lake.write(args.binary, pathlib.Path(folder) / "lakes")
        for reader in chosen(args):
            started = time.monotonic()
            try:
                found, shown = differences(reader, answers(reader, written, pathlib.Path(folder)))
                faults = judge(reader, found)
                outcome[reader.name] = shown
            except environments.Unavailable as why:
                skipped += 1
                print(f"skipped {reader.name}: {why}", flush=True)
                continue
            except (RuntimeError, OSError) as failure:
                faults = [str(failure)]
            passed, failed = (passed, failed + 1) if faults else (passed + 1, failed)
            print(f"{'FAILED' if faults else 'ok'} {reader.name}: {len(tables.TABLES)} tables, {time.monotonic() - started:.0f} s", flush=True)
            for fault in faults:
                print(f"  {fault}", flush=True)
    if not document_is_true(outcome, args.write):
        failed += 1
        print("docs/readers.md is not what the readers show: ./tests/run matrix --write")
    print(f"matrix: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
