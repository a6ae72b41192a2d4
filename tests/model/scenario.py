"""Random histories of a lake against a model of the promise.

    scenario.py LAKEWARD [--minutes N] [--seed N] [--histories N] [--keep FOLDER]

LAKEWARD is the binary; one with debug assertions also passes its fault points. A history is a lake with one or two pipelines, whose API,
tables, faults and kills come from its seed. After every run that says it succeeded, DuckDB reads the tables, and each row must be a record
that the promise wants there, with that record's values; after every other run the tables must be last night's. The first broken
promise of a history ends it, and is printed with the seed that repeats it: `--seed N --histories 1 --keep FOLDER`.

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

from api import Api, Trouble
from reference import Table, folder_text, parse, same, same_json_text, unescape
from world import World, partition

RUN_SECONDS_MAX = 120
NIGHTS_MAX = 8
# Where a debug build can be killed (`src/base/fault.rs`).
FAULT_POINTS = ["lake.open.leased", "lake.recover.after_fence", "lake.spool.file", "lake.commit.before_stage", "lake.stage.file",
                "lake.commit.after_stage", "lake.commit.after_manifests", "lake.commit.before_record", "lake.commit.after_record",
                "lake.publish.put", "lake.publish.after_puts", "lake.publish.delete", "lake.publish.before_done", "lake.publish.after_done",
                "lake.publish.cleaning", "lake.close.before_release", "lake.close.released"]
REFUSED, UNAVAILABLE = {2, 3}, {3, 20, 75}


class Broken(Exception):
    """The promise does not hold."""


class Pipeline:
    """A world, the states its tables may be in, and its runs."""

    def __init__(self, history: "History", world: World):
        self.history, self.world = history, world
        # After a kill a table is in one of two states until the next run that succeeds tells which.
        self.states = {r.name: [Table()] for r in world.resources}
        self.readable = {r.name: Table() for r in world.resources}

    def write_config(self) -> None:
        config = self.world.config("./lake", self.history.api.url)
        (self.history.folder / f"{self.world.name}.yaml").write_text(json.dumps(config, ensure_ascii=False, indent=1))

    def command(self, *flags: str) -> list:
        return [self.history.binary, "run", f"{self.world.name}.yaml", *flags]

    def might_have_run(self, refresh: bool) -> None:
        for resource in self.world.resources:
            states = self.states[resource.name]
            after = [state.night(resource, resource.records, refresh) for state in states]
            self.states[resource.name] = list({state.key(): state for state in states + after}.values())

    def has_run(self, published: set, refresh: bool) -> None:
        for resource in self.world.resources:
            if resource.name in published:
                after = [state.night(resource, resource.records, refresh) for state in self.states[resource.name]]
                self.states[resource.name] = list({state.key(): state for state in after}.values())

    def check(self, certain: bool) -> None:
        """Compares the tables with what they may hold; `certain` when no commit can be waiting to be published."""
        for resource in self.world.resources:
            rows = self.history.rows(resource)
            found = collections.Counter(row["uid"] for row, _ in rows)
            fitting = [state for state in self.states[resource.name] if state.uids() == found]
            if not fitting:
                if not certain:
                    continue
                wanted = self.states[resource.name][-1].uids()
                raise Broken(f"{self.world.name}.{resource.name}: {len(rows)} rows; missing {sorted((wanted - found).elements())[:10]}, "
                             f"too many {sorted((found - wanted).elements())[:10]} (uids)")
            if certain:
                self.states[resource.name] = fitting
            for row, folders in rows:
                self.check_row(resource, row, folders)

    def check_row(self, resource, row: dict, folders: dict) -> None:
        record = self.history.records[row["uid"]]
        hive = {p["column"]: p for p in map(partition, resource.partitions)}
        for name, token in record.members.items():
            expected = parse(token)
            level = hive.get(name)
            if level and level.get("transform") is None:
                continue
            is_whole = not resource.is_json or not isinstance(expected, (dict, list)) or same_json_text(row[name], token)
            if not same(row.get(name), expected) or not is_whole:
                raise Broken(f"{self.world.name}.{resource.name}: uid {row['uid']}: `{name}` came as {token} and reads {row.get(name)!r}")
        for name, value in row.items():
            if name not in record.members and value is not None and name not in folders:
                raise Broken(f"{self.world.name}.{resource.name}: uid {row['uid']}: `{name}` never came and reads {value!r}")
        for level in hive.values():
            if level.get("transform") == "bucket":
                continue
            name = level["column"] + (f"_{level['transform']}" if level.get("transform") else "")
            if folders.get(name) != folder_text(record, level):
                raise Broken(f"{resource.name}: uid {row['uid']} lies in {folders}, `{name}` should be {folder_text(record, level)!r}")


class History:
    """One lake, from its first night to its last."""

    def __init__(self, binary: pathlib.Path, folder: pathlib.Path, seed: int):
        self.binary, self.folder, self.rng = binary, folder, random.Random(seed)
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

    # --- runs ---

    def play(self) -> None:
        for night in range(self.rng.randint(3, NIGHTS_MAX)):
            for pipeline in self.pipelines:
                if night:
                    for resource in pipeline.world.resources:
                        resource.change()
                for resource in pipeline.world.resources:
                    self.records.update((r.uid, r) for r in resource.records)
                self.night(pipeline)
        if len(self.pipelines) > 1:
            self.steal()

    def night(self, pipeline: Pipeline) -> None:
        kind = self.rng.choices(["plain", "hiccup", "failing", "killed", "point", "twice", "refresh", "race"], [40, 12, 10, 12, 14, 8, 8, 4])[0]
        self.log.append(kind)
        self.counts[kind] += 1
        getattr(self, kind)(pipeline)

    def run(self, pipeline: Pipeline, *flags: str, troubles: dict | None = None, env: dict | None = None, seconds: float = RUN_SECONDS_MAX) -> tuple:
        """Exit code (or minus the signal) and the tables of the summary. Past `seconds` the run is killed."""
        pipeline.write_config()
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], troubles or {})
        process = self.spawn(pipeline, flags, env)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate()
            if seconds == RUN_SECONDS_MAX:
                raise Broken(f"a run did not end within {RUN_SECONDS_MAX} s: {err[-1000:]}") from None
        return self.ended(process, out, err)

    def spawn(self, pipeline: Pipeline, flags: tuple, env: dict | None = None) -> subprocess.Popen:
        return subprocess.Popen(pipeline.command(*flags), cwd=self.folder, text=True, errors="replace", stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin", "TMPDIR": str(self.folder)} | (env or {}))

    def ended(self, process: subprocess.Popen, out: str, err: str) -> tuple:
        self.counts["runs"] += 1
        if process.returncode == 70 or "panicked" in err:
            raise Broken(f"an internal error: {err[-2000:]}")
        lines = out.strip().splitlines()
        tables = json.loads(lines[-1]).get("tables", {}) if lines and lines[-1].startswith("{") else {}
        self.log.append(f"  exit {process.returncode} " + " ".join(err.split())[:600])
        return process.returncode, tables

    def expect_success(self, pipeline: Pipeline, *flags: str, troubles: dict | None = None, refresh: bool = False) -> dict:
        code, tables = self.run(pipeline, *flags, troubles=troubles)
        if code != 0:
            raise Broken(f"{pipeline.world.name}: a run that nothing stood against ended with exit {code}: {self.log[-1]}")
        pipeline.has_run({r.name for r in pipeline.world.resources}, refresh)
        pipeline.check(certain=True)
        return tables

    # --- the kinds of nights ---

    def plain(self, pipeline: Pipeline) -> None:
        self.expect_success(pipeline)

    def refresh(self, pipeline: Pipeline) -> None:
        self.expect_success(pipeline, "--full-refresh", refresh=True)

    def twice(self, pipeline: Pipeline) -> None:
        """The second run of one night finds nothing new, and writes no data file where the disposition lets it."""
        self.expect_success(pipeline)
        before = self.files(pipeline)
        self.expect_success(pipeline)
        for resource in pipeline.world.resources:
            if resource.disposition == "append" and not resource.is_incremental or resource.repeats:
                continue
            if before[resource.name] != self.files(pipeline)[resource.name]:
                raise Broken(f"{resource.name}: a refresh without changes wrote files")

    def hiccup(self, pipeline: Pipeline) -> None:
        """A fault that goes away within the retries costs nothing."""
        resource = self.rng.choice(pipeline.world.resources)
        trouble = Trouble(self.rng.choice(["500", "503", "429", "reset", "cut"]), self.rng.randint(1, 4), self.rng.randint(1, 2))
        self.expect_success(pipeline, troubles={resource.name: trouble})

    def failing(self, pipeline: Pipeline) -> None:
        """A fault that stays fails its resource, and no other one; its table is last night's."""
        resource = self.rng.choice(pipeline.world.resources)
        trouble = Trouble(self.rng.choice(["500", "404", "cut", "reset"]), self.rng.randint(1, 3), 1000)
        code, tables = self.run(pipeline, troubles={resource.name: trouble})
        hit = self.api.counts.get(resource.name, 0) >= trouble.first
        published = {name for name, table in tables.items() if table.get("status") == "published"}
        if code not in UNAVAILABLE | {0} or (code == 0 and resource.name not in published):
            raise Broken(f"{resource.name}: {trouble} ended with exit {code}: {self.log[-1]}")
        if hit and resource.name in published and trouble.kind != "404":
            # A page that was asked for ahead in vain may fail without harm: then all rows must be there.
            self.counts["failed in vain"] += 1
        pipeline.has_run(published, False)
        pipeline.check(certain=True)

    def killed(self, pipeline: Pipeline) -> None:
        """Killed at a random instant; the next run makes it right."""
        code, _ = self.run(pipeline, seconds=self.rng.uniform(0.005, 0.25))
        self.after_kill(pipeline, code)

    def point(self, pipeline: Pipeline) -> None:
        """Killed, or refused by the disk, at a named instant of the commit."""
        name, effect = self.rng.choice(FAULT_POINTS), self.rng.choice(["kill", "kill", "io"])
        self.log.append(f"  {name}={effect}")
        code, _ = self.run(pipeline, env={"LAKEWARD_FAULT": f"{name}#{self.rng.choice([1, 1, 2, 3])}={effect}"})
        self.after_kill(pipeline, code)

    def after_kill(self, pipeline: Pipeline, code: int) -> None:
        if code == 0:
            pipeline.has_run({r.name for r in pipeline.world.resources}, False)
            pipeline.check(certain=True)
            return
        pipeline.might_have_run(False)
        if self.rng.random() < 0.5:
            for resource in pipeline.world.resources:
                resource.change()
                self.records.update((r.uid, r) for r in resource.records)
        self.expect_success(pipeline)

    def race(self, pipeline: Pipeline) -> None:
        """Two runs of one pipeline at once: one or both do the work, one may be told to come again. Two pipelines are in nobody's way."""
        if len(self.pipelines) > 1:
            return self.beside()
        pipeline.write_config()
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], {})
        processes = [self.spawn(pipeline, (), None) for _ in range(2)]
        codes = []
        for process in processes:
            out, err = process.communicate(timeout=RUN_SECONDS_MAX)
            codes.append(self.ended(process, out, err)[0])
        if any(code not in (0, 75) for code in codes):
            raise Broken(f"two runs at once ended with {codes}: {self.log[-2:]}")
        for _ in range(codes.count(0)):
            pipeline.has_run({r.name for r in pipeline.world.resources}, False)
        if 0 not in codes:
            pipeline.might_have_run(False)
        self.expect_success(pipeline)

    def beside(self) -> None:
        """Both pipelines at once."""
        for pipeline in self.pipelines:
            pipeline.write_config()
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], {})
        for pipeline, process in [(pipeline, self.spawn(pipeline, (), None)) for pipeline in self.pipelines]:
            code, _ = self.ended(process, *process.communicate(timeout=RUN_SECONDS_MAX))
            if code != 0:
                raise Broken(f"{pipeline.world.name} beside another pipeline ended with exit {code}: {self.log[-1]}")
            pipeline.has_run({r.name for r in pipeline.world.resources}, False)
            pipeline.check(certain=True)

    def steal(self) -> None:
        """A pipeline may not write the table of another one."""
        first, second = self.pipelines
        victim = first.world.resources[0]
        config = second.world.config("./lake", self.api.url)
        config["resources"] = [victim.config() | {"name": "stolen", "table_name": victim.name}]
        config["resources"][0]["endpoint"]["path"] = f"/{victim.name}"
        (self.folder / "thief.yaml").write_text(json.dumps(config, ensure_ascii=False))
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], {})
        done = subprocess.run([self.binary, "run", "thief.yaml"], cwd=self.folder, capture_output=True, text=True, timeout=RUN_SECONDS_MAX,
                              stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin"})
        self.counts["runs"] += 1
        if done.returncode not in REFUSED or first.world.name not in done.stderr:
            raise Broken(f"a pipeline that writes the table of `{first.world.name}` ended with exit {done.returncode}: {done.stderr[-800:]}")
        for pipeline in self.pipelines:
            pipeline.check(certain=True)

    # --- the lake, read ---

    def table(self, resource) -> pathlib.Path:
        return self.folder / "lake" / resource.name

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


def play(binary: str, seed: int, keep: str | None) -> tuple:
    """Seed, what broke or nothing, the counts."""
    folder = pathlib.Path(keep) if keep else pathlib.Path(tempfile.mkdtemp(prefix=f"lakeward-model-{seed}-"))
    folder.mkdir(parents=True, exist_ok=True)
    history = History(pathlib.Path(binary), folder, seed)
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
    parser.add_argument("--keep", help="a folder that stays, for one history")
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
