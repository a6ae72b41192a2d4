"""Random histories of a lake against a model of the promise.

    scenario.py LAKEWARD [--minutes N] [--seed N] [--histories N] [--keep FOLDER]

LAKEWARD is the binary; one with debug assertions also passes its fault points. A history is a lake with one or two pipelines, whose API,
tables, faults and kills come from its seed (`world`, `api`, `nights`). After every run DuckDB reads the tables, and each row must be a record
that the promise wants there, with that record's values (`reference`); a table that was not published must be last night's, and what the
model refuses must have been refused. The first broken promise of a history ends it, and is printed with the seed that repeats it:
`--seed N --histories 1 --keep FOLDER`.

Histories run until N minutes have passed (2 unless told), two at a time. Ends non-zero when a promise broke or no history ended.
"""

import argparse
import collections
import concurrent.futures
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import duckdb

from api import Api
from nights import REFUSED, RUN_SECONDS_MAX, Broken, Nights
from reference import Table, folder_text, parse, same, same_field, same_json_text, unescape
from world import World, field, partition

NIGHTS_MAX = 8


class Pipeline:
    """A world, the states its tables may be in, and its runs."""

    def __init__(self, history: "History", world: World):
        self.history, self.world = history, world
        # After a kill a table is in one of two states until the next run that succeeds tells which.
        self.states = {r.name: [Table()] for r in world.resources}

    def write_config(self) -> None:
        config = self.world.config(self.history.lake, self.history.api.url)
        (self.history.folder / f"{self.world.name}.yaml").write_text(json.dumps(config, ensure_ascii=False, indent=1))

    def command(self, *flags: str) -> list:
        return [self.history.binary, "run", f"{self.world.name}.yaml", *flags]

    @property
    def names(self) -> set:
        return {resource.name for resource in self.world.resources}

    def nights(self, resource, refresh: bool) -> list:
        """What a run may make of the table; `None` among them where it may refuse to."""
        return [state.night(resource, refresh) for state in self.states[resource.name]]

    def may_refuse(self, refresh: bool = False) -> bool:
        return any(None in self.nights(resource, refresh) for resource in self.world.resources)

    def might_have_run(self, refresh: bool) -> None:
        for resource in self.world.resources:
            after = [state for state in self.nights(resource, refresh) if state]
            self.set_states(resource, self.states[resource.name] + after)

    def has_run(self, published: set, refresh: bool) -> None:
        """Takes over what a run did, if that may be."""
        for resource in self.world.resources:
            after = self.nights(resource, refresh)
            if resource.name in published:
                if not any(after):
                    raise Broken(f"{self.world.name}.{resource.name} was published, and should have been refused: {self.history.log[-1]}")
                self.set_states(resource, [state for state in after if state])

    def set_states(self, resource, states: list) -> None:
        self.states[resource.name] = list({state.key(): state for state in states}.values())

    def check(self, certain: bool = True) -> None:
        """Compares the tables with what they may hold; `certain` when no commit can be waiting to be published."""
        for resource in self.world.resources:
            self.check_table(resource, certain)

    def check_table(self, resource, certain: bool = True) -> None:
        rows = self.history.rows(resource)
        found = collections.Counter(int(row["uid"]) for row, _ in rows)
        fitting = [state for state in self.states[resource.name] if state.uids() == found]
        if not fitting:
            if not certain:
                return
            wanted = self.states[resource.name][-1].uids()
            raise Broken(f"{self.world.name}.{resource.name}: {len(rows)} rows; missing {sorted((wanted - found).elements())[:10]}, "
                         f"too many {sorted((found - wanted).elements())[:10]} (uids)")
        if certain:
            self.states[resource.name] = fitting
        lacking: dict = {}
        for state in fitting:
            for uid, ways in state.lacking().items():
                lacking.setdefault(uid, set()).update(ways)
        for row, folders in rows:
            faults = [self.fault(resource, row, folders, without) for without in lacking[int(row["uid"])]]
            if all(faults):
                raise Broken(f"{self.world.name}.{resource.name}: uid {row['uid']}: {faults[0]}")

    def fault(self, resource, row: dict, folders: dict, without: frozenset) -> str | None:
        """What is wrong with a row of a record that lost the members `without` to a contract."""
        record = self.history.records[int(row["uid"])]
        hive = {p["column"]: p for p in map(partition, resource.partitions)}
        for name, token in record.members.items():
            level = hive.get(name)
            if level and level.get("transform") is None:
                continue
            if name in without:
                is_same, is_whole = row.get(name) is None, True
            elif resource.csv and field(token) is not None:
                is_same, is_whole = same_field(row.get(name), field(token)), True
            else:
                expected = parse(token)
                is_same = same(row.get(name), expected)
                is_whole = not resource.is_json or not isinstance(expected, (dict, list)) or same_json_text(row[name], token)
            if not is_same or not is_whole:
                return f"`{name}` came as {token} and reads {row.get(name)!r}" + " although the contract takes it out" * (name in without)
        for name, of in resource.parent_columns.items():
            if of == "code" and row.get(name) != record.parent:
                return f"`{name}` is of parent {record.parent!r} and reads {row.get(name)!r}"
        for name, value in row.items():
            if name not in record.members and value is not None and name not in folders and name not in resource.parent_columns:
                return f"`{name}` never came and reads {value!r}"
        for level in hive.values():
            if level.get("transform") == "bucket":
                continue
            name = level["column"] + (f"_{level['transform']}" if level.get("transform") else "")
            if folders.get(name) != folder_text(record, level):
                return f"it lies in {folders}, `{name}` should be {folder_text(record, level)!r}"
        return None


class History(Nights):
    """One lake, from its first night to its last."""

    def __init__(self, binary: pathlib.Path, folder: pathlib.Path, seed: int):
        self.binary, self.folder, self.rng = binary, folder, random.Random(seed)
        self.lake = "./lake"
        self.env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)}
        self.log: list = []
        self.records: dict = {}
        self.counts: collections.Counter = collections.Counter()
        self.api = Api()
        uids = itertools.count(1)
        worlds = [World(self.rng, "alpha", uids, 0)]
        if self.rng.random() < 0.3:
            worlds.append(World(self.rng, "beta", uids, 10))
        self.pipelines = [Pipeline(self, world) for world in worlds]
        self.records.update((r.uid, r) for world in worlds for resource in world.resources for r in resource.records)

    def close(self) -> None:
        self.api.close()

    def change(self, pipeline: Pipeline) -> None:
        for resource in pipeline.world.resources:
            resource.change()
            self.records.update((r.uid, r) for r in resource.records)

    # --- runs ---

    def play(self) -> None:
        for night in range(self.rng.randint(3, NIGHTS_MAX)):
            for pipeline in self.pipelines:
                self.go_on(pipeline)
                if night:
                    self.change(pipeline)
                self.night(pipeline)
        for pipeline in self.pipelines:
            self.go_on(pipeline)
        if len(self.pipelines) > 1:
            self.steal(*self.pipelines)
            self.steal(*reversed(self.pipelines))

    def run(self, pipeline: Pipeline, *flags: str, troubles: dict | None = None, env: dict | None = None, seconds: float = RUN_SECONDS_MAX) -> tuple:
        """Exit code (or minus the signal) and the tables of the summary. Past `seconds` the run is killed."""
        pipeline.write_config()
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], troubles or {})
        return self.awaited(self.spawn(pipeline, flags, env), seconds)

    def awaited(self, process: subprocess.Popen, seconds: float = RUN_SECONDS_MAX) -> tuple:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate()
            if seconds == RUN_SECONDS_MAX:
                raise Broken(f"a run did not end within {RUN_SECONDS_MAX} s: {err[-1000:]}") from None
        return self.ended(process, out, err)

    def command(self, pipeline: Pipeline, command: str, env: dict | None = None, *flags: str) -> tuple:
        """Exit code (or minus the signal) and the messages of a command that asks nothing of the API."""
        ended = subprocess.run([self.binary, command, f"{pipeline.world.name}.yaml", *flags], cwd=self.folder, text=True, errors="replace", capture_output=True,
                               timeout=RUN_SECONDS_MAX, env=self.env | (env or {}))
        self.log.append(f"  {command}: exit {ended.returncode} " + " ".join((ended.stdout + ended.stderr).split())[-1000:])
        return ended.returncode, ended.stderr[-2000:]

    def spawn(self, pipeline: Pipeline, flags: tuple, env: dict | None) -> subprocess.Popen:
        return self.spawned(pipeline.command(*flags), env)

    def spawned(self, command: list, env: dict | None) -> subprocess.Popen:
        return subprocess.Popen(command, cwd=self.folder, text=True, errors="replace", stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env | (env or {}))

    def ended(self, process: subprocess.Popen, out: str, err: str) -> tuple:
        self.counts["runs"] += 1
        if process.returncode == 70 or "panicked" in err:
            raise Broken(f"an internal error: {err[-2000:]}")
        lines = out.strip().splitlines()
        tables = json.loads(lines[-1]).get("tables", {}) if lines and lines[-1].startswith("{") else {}
        self.counts["resumed pages"] += sum(table.get("resumed_pages", 0) for table in tables.values())
        # What went wrong stands at the end.
        self.log.append(f"  exit {process.returncode} " + " ".join(err.split())[-1500:])
        return process.returncode, tables

    def expect(self, pipeline: Pipeline, *flags: str, troubles: dict | None = None, refresh: bool = False) -> set:
        """A run that nothing stands against but what the API has: each table is published, or refused for a reason. The published ones."""
        code, tables = self.run(pipeline, *flags, troubles=troubles)
        published = {name for name, table in tables.items() if table.get("status") == "published"}
        for resource in pipeline.world.resources:
            if resource.name not in published and None not in pipeline.nights(resource, refresh):
                raise Broken(f"{pipeline.world.name}.{resource.name}: a run that nothing stood against ended with exit {code}: {self.log[-1]}")
        if (code == 0) != (published == pipeline.names) or code not in REFUSED | {0}:
            raise Broken(f"{pipeline.world.name}: exit {code}, published {sorted(published)}: {self.log[-1]}")
        pipeline.has_run(published, refresh)
        pipeline.check()
        self.counts["refused"] += code != 0
        return published

    # --- the lake, read ---

    def uids(self, resource) -> collections.Counter:
        return collections.Counter(int(row["uid"]) for row, _ in self.rows(resource))

    def table(self, resource) -> pathlib.Path:
        return self.folder / "lake" / resource.table

    def files(self, pipeline: Pipeline) -> dict:
        return {r.name: sorted((str(f), f.stat().st_ino, f.stat().st_mtime_ns) for f in self.table(r).rglob("*.parquet")) for r in pipeline.world.resources}

    def rows(self, resource) -> list:
        """Each row as DuckDB reads it from all files at once, with the texts of its partition folders."""
        table = self.table(resource)
        if not any(table.rglob("*.parquet")):
            return []
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        glob = f"{table}/**/*.parquet".replace("'", "''")
        # Files of an older schema may stay as they are; then readers join the schemas.
        union = any(p.world.lake.get("on_schema_change") == "leave" for p in self.pipelines)
        relation = connection.execute(f"SELECT *, filename FROM read_parquet('{glob}', filename = true, union_by_name = {union}, hive_partitioning = true, hive_types_autocast = false)")
        names = [column[0] for column in relation.description]
        rows = []
        for values in relation.fetchall():
            row = dict(zip(names, values))
            below = pathlib.Path(row.pop("filename")).relative_to(table).parts[:-1]
            folders = {unescape(part.partition("=")[0]): unescape(part.partition("=")[2]) for part in below}
            rows.append((row, folders))
        return rows


def play(binary: str, seed: int, keep: str | None, kind: type = History, *more) -> tuple:
    """Seed, what broke or nothing, the counts, of a history of `kind`."""
    folder = pathlib.Path(keep) / str(seed) if keep else pathlib.Path(tempfile.mkdtemp(prefix=f"lakeward-model-{seed}-"))
    if keep:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    history = kind(pathlib.Path(binary), folder, seed, *more)
    broken = None
    try:
        history.play()
    except Broken as what:
        broken = str(what)
    except Exception:  # noqa: BLE001 - a reader that refuses a file breaks the promise too
        broken = traceback.format_exc()
    finally:
        history.close()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if broken:
        broken += "\n" + "\n".join(history.log[-12:])
    return seed, broken, history.counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, help="the first seed; by default the time tells it")
    parser.add_argument("--histories", type=int, default=10**9)
    parser.add_argument("--keep", help="where each history's folder stays, named by its seed")
    args = parser.parse_args()
    binary = str(pathlib.Path(args.binary).resolve())
    seed, end = args.seed if args.seed is not None else int(time.time()), time.monotonic() + args.minutes * 60
    print(f"model: the first seed is {seed}", flush=True)
    passed = failed = 0
    counts: collections.Counter = collections.Counter()
    with concurrent.futures.ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        seeds = itertools.islice(itertools.count(seed), args.histories)
        waiting = {pool.submit(play, binary, s, args.keep) for s in itertools.islice(seeds, 2)}
        while waiting:
            done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                played, broken, more = future.result()
                counts.update(more)
                passed, failed = passed + (not broken), failed + bool(broken)
                if broken:
                    print(f"FAILED  seed {played}: {broken}", flush=True)
                if time.monotonic() < end and (following := next(seeds, None)) is not None:
                    waiting.add(pool.submit(play, binary, following, args.keep))
    print(f"model: {dict(counts)}")
    print(f"model: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
