"""What can happen in a night: runs that nothing stands against, faults, kills, and what an operator does.

In: a history (`scenario.History`) and one of its pipelines. Out: nothing, or `Broken`.
"""

import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import threading

import pyarrow.parquet

from api import Trouble
from reference import Table
from world import Child, Record

# A guard against hangs, not a bound on speed: the machine may have other work.
RUN_SECONDS_MAX = 600
# Where a debug build can be killed (`src/base/fault.rs`).
FAULT_POINTS = ["lake.open.leased", "lake.recover.before_fence", "lake.recover.after_fence", "lake.spool.file", "lake.commit.before_stage", "lake.stage.file", "lake.stage.copied",
                "lake.commit.after_stage", "lake.commit.after_claims", "lake.commit.after_manifests", "lake.commit.before_create", "lake.commit.after_create",
                "lake.publish.after_keeps", "lake.publish.put", "lake.publish.linked", "lake.publish.after_puts", "lake.publish.delete", "lake.publish.before_done", "lake.publish.after_done",
                "lake.publish.cleaning", "lake.kept.prune", "lake.close.before_release", "lake.close.released"]
# Exit codes of a run whose API does not answer, or does not let it in.
UNAVAILABLE = {3, 20, 75}
UNAUTHORISED = {4, 20}
# That of a run that refuses a table, or all.
REFUSED = {3, 20}
# A run whose lake is a small disk of its own, and what that held afterwards in the lake's place. The first word is how many KiB there are left.
ON_SMALL_DISK = """
room=$1; shift
mkdir -p lake outside && mount --bind lake outside && mount -t tmpfs tmpfs lake && cp -a outside/. lake/ || exit 99
mount -o remount,size=$(($(df --block-size=1K --output=used lake | tail -1) + room))k lake || exit 99
"$@"; code=$?
find outside -mindepth 1 -delete && cp -a lake/. outside/ || exit 99
exit $code
"""
# How often each kind of night comes.
KINDS = {"plain": 30, "hiccup": 10, "failing": 8, "killed": 10, "point": 14, "twice": 8, "refresh": 7, "race": 4, "expired": 6, "lying": 5,
         "compacted": 6, "vanished": 8, "rejects": 8, "watched": 8, "renamed": 4, "dropped": 4, "repaired": 6, "stopped": 5, "full": 5}


class Broken(Exception):
    """The promise does not hold."""


class Nights:
    """The kinds of nights of a history."""

    def night(self, pipeline) -> None:
        kind = self.rng.choices(list(KINDS), list(KINDS.values()))[0]
        self.log.append(kind)
        self.counts[kind] += 1
        getattr(self, kind)(pipeline)

    def has_left(self, pipeline) -> bool:
        """Whether an interrupted run has kept what it was answered."""
        return (self.folder / "lake" / "_lakeward" / pipeline.world.name / "answers").exists()

    def go_on(self, pipeline) -> None:
        """Ends what was interrupted before the API changes: what the next run takes over is what the API had."""
        if self.has_left(pipeline):
            self.counts["gone on"] += 1
            self.log.append("gone on")
            self.expect(pipeline)

    def plain(self, pipeline) -> None:
        self.expect(pipeline)

    def refresh(self, pipeline) -> None:
        self.expect(pipeline, "--full-refresh", refresh=True)

    def twice(self, pipeline) -> None:
        """Once columns have settled, a run that finds nothing new writes no data file where the disposition lets it."""
        # A `replace` whose columns widened on a page writes once more: rows before that page were cut into files, and objects that became
        # JSON text were spelled, by what was known then.
        self.expect(pipeline)
        self.expect(pipeline)
        before = self.files(pipeline)
        self.expect(pipeline)
        for resource in pipeline.world.resources:
            if resource.disposition == "append" and not resource.is_incremental or resource.repeats:
                continue
            if before[resource.name] != self.files(pipeline)[resource.name]:
                raise Broken(f"{resource.name}: a refresh without changes wrote files")

    def hiccup(self, pipeline) -> None:
        """A fault that goes away within the retries costs nothing."""
        resource = self.rng.choice(pipeline.world.resources)
        trouble = Trouble(self.rng.choice(["500", "503", "429", "reset", "cut"]), self.rng.randint(1, 4), self.rng.randint(1, 2))
        self.expect(pipeline, troubles={resource.name: trouble})

    def failing(self, pipeline) -> None:
        """A fault that stays fails its resource, and no other one; its table is last night's."""
        resource = self.rng.choice(pipeline.world.resources)
        # A child's 404 is a parent that vanished.
        kinds = ["500", "cut", "reset"] + ["404"] * (resource.parent is None)
        trouble = Trouble(self.rng.choice(kinds), self.rng.randint(1, 3), 1000)
        self.failed(pipeline, resource, trouble, UNAVAILABLE)

    def expired(self, pipeline) -> None:
        """A credential that expires in the middle is renewed, or the tables are last night's."""
        resource = self.rng.choice(pipeline.world.resources)
        trouble = Trouble("expire", self.rng.randint(1, 4), 1)
        if resource.auth == "bearer":
            self.failed(pipeline, None, {resource.name: trouble}, UNAUTHORISED)
        else:
            self.expect(pipeline, troubles={resource.name: trouble})

    def failed(self, pipeline, resource, trouble, codes: set) -> None:
        """A run in which `resource`, or any, may fail. One whose page was asked for ahead in vain may be whole all the same."""
        code, tables = self.run(pipeline, troubles={resource.name: trouble} if resource else trouble)
        published = {name for name, table in tables.items() if table.get("status") == "published"}
        if code not in codes | {0} or (code == 0) != (published == pipeline.names):
            # What is refused for its own reasons is so with a code of its own.
            if not pipeline.may_refuse() or code not in codes | {3, 20}:
                raise Broken(f"{trouble} ended with exit {code}: {self.log[-1]}")
        for other in pipeline.world.resources:
            is_hit = resource is None or resource in ancestors(other)
            if not is_hit and other.name not in published and None not in pipeline.nights(other, False):
                raise Broken(f"{trouble} of {resource.name} failed {other.name} too: {self.log[-1]}")
        pipeline.has_run(published, False)
        pipeline.check()

    def lying(self, pipeline) -> None:
        """A total that is more than the API has stops the run, whatever the paginator, unless the config calls it an estimate."""
        able = [r for r in pipeline.world.resources if not r.parent and not r.is_incremental and not r.csv
                and (r.header_total or r.paginator == "auto_offset" or r.paginator == "offset" and r.has_total)]
        for resource in able[:1]:
            resource.lie = self.rng.randint(1, 5)
        self.expect(pipeline)
        for resource in able:
            resource.lie = 0

    def vanished(self, pipeline) -> None:
        """Parents that are gone when their children are asked for: a few are passed over, more stop the run."""
        children = [r for r in pipeline.world.resources if isinstance(r, Child)]
        for child in children:
            codes = sorted({record.key[1] for record in child.parent.tonight()})
            child.vanished = set(self.rng.sample(codes, min(len(codes), self.rng.choice([1, 1, 2, len(codes) // 20, len(codes) // 20 + 1, len(codes)]))))
        self.expect(pipeline)
        for child in children:
            child.vanished = set()

    def rejects(self, pipeline) -> None:
        """Records that cannot be rows: quarantined as far as the config allows, else the run stops."""
        able = [r for r in pipeline.world.resources if not isinstance(r, Child) and not r.is_parent and not r.paginator.startswith("auto_")
                and not r.is_incremental]
        for resource in able:
            # Few or many, since what is a tenth is for other tests to say.
            count = self.rng.choice([1, 2, 4, len(resource.records) // 3 + 4])
            if resource.max_rejects == "tenth" and 1 < count * 5 and count < len(resource.records) // 3 + 4:
                count = 1
            resource.bad = [Record(-n, (), {}) for n in range(1, count + 1)]
        self.expect(pipeline)
        for resource in able:
            resource.bad = []

    def watched(self, pipeline) -> None:
        """A reader by glob, all the while: each file has the old rows or the new ones."""
        before, over = self.contents(pipeline), threading.Event()
        with concurrent.futures.ThreadPoolExecutor() as threads:
            reader = threads.submit(self.watch, pipeline, over)
            try:
                self.expect(pipeline)
            finally:
                over.set()
            seen = reader.result()
        after = self.contents(pipeline)
        for path, uids in seen:
            if uids not in (before.get(path), after.get(path)):
                raise Broken(f"a reader saw neither the old rows nor the new ones of {path}: {uids}")

    def watch(self, pipeline, over: threading.Event) -> set:
        seen = set()
        while not over.is_set():
            seen.update(self.contents(pipeline).items())
            self.counts["looks"] += 1
        return seen

    def contents(self, pipeline) -> dict:
        """The uids of each file, in order, read by one that opens each file once."""
        contents: dict = {}
        for resource in pipeline.world.resources:
            for path in sorted(self.data_files(resource)):
                try:
                    with path.open("rb") as file:
                        contents[str(path)] = tuple(pyarrow.parquet.ParquetFile(file).read(columns=["uid"])["uid"].to_pylist())
                except FileNotFoundError:
                    self.counts["files that went"] += 1
        return contents

    def data_files(self, resource):
        """The data files of a table at this moment; a folder may go while they are listed."""

        def gone(problem: OSError) -> None:
            if not isinstance(problem, FileNotFoundError):
                raise problem

        for folder, _, names in os.walk(self.table(resource), onerror=gone):
            yield from (pathlib.Path(folder, name) for name in names if name.endswith(".parquet"))

    def renamed(self, pipeline) -> None:
        """Two resources swap their tables: refused, or a fresh start, or one goes on from the other's rows; a full refresh gives each its own."""
        able = [r for r in pipeline.world.resources if not isinstance(r, Child) and not r.contract]
        if len(able) < 2:
            return self.expect(pipeline)
        self.expect(pipeline)
        pair = self.rng.sample(able, 2)
        states = pipeline.states
        owners = {r.table: states[r.name] for r in pair}
        pair[0].table, pair[1].table = pair[1].table, pair[0].table
        code, tables = self.run(pipeline)
        for resource in pair:
            if tables.get(resource.name, {}).get("status") == "published":
                old = [state.without_cursor() for state in owners[resource.table]]
                owners[resource.table] = [s for s in (state.night(resource, False) for state in [Table(), *old]) if s]
            elif code == 0:
                raise Broken(f"{resource.name}: not published, and the exit code is 0: {self.log[-1]}")
            else:
                self.counts["swap refused"] += 1
            found = self.uids(resource)
            if not any(state.uids() == found for state in owners[resource.table]):
                raise Broken(f"{resource.name} over the table of another one: {sorted(found.elements())[:50]}: {self.log[-1]}")
        for resource in pair:
            states[resource.name] = [Table()]
        for resource in pipeline.world.resources:
            if resource not in pair and resource.name in tables and tables[resource.name].get("status") == "published":
                pipeline.set_states(resource, [s for s in pipeline.nights(resource, False) if s] or states[resource.name])
        self.expect(pipeline, "--full-refresh", refresh=True)

    def dropped(self, pipeline) -> None:
        """`drop_sources` drops the tables of what went from the config, and another pipeline may have the name."""
        resources = pipeline.world.resources
        able = [r for r in resources if not isinstance(r, Child) and not r.is_parent]
        if len(resources) < 2 or not able:
            return self.expect(pipeline)
        self.expect(pipeline)
        gone = self.rng.choice(able)
        resources.remove(gone)
        self.expect(pipeline, "--full-refresh=drop_sources", refresh=True)
        if list(self.table(gone).rglob("*.parquet")):
            raise Broken(f"{gone.name} was dropped, and has files")
        del pipeline.states[gone.name]
        if self.rng.random() < 0.6:
            heir = self.rng.choice(self.pipelines)
            gone.auth, gone.world = heir.world.auth, heir.world.name
            heir.world.resources.append(gone)
            heir.states[gone.name] = [Table()]
            self.expect(heir)

    def compacted(self, pipeline) -> None:
        """Small files are put together, perhaps killed in it, and no row changes."""
        pipeline.write_config()
        env = {"LAKEWARD_FAULT": f"{self.rng.choice(FAULT_POINTS)}=kill"} if self.rng.random() < 0.5 else None
        for env in [env, None]:
            is_empty = not any(any(self.data_files(resource)) for resource in pipeline.world.resources)
            code, err = self.command(pipeline, "compact", env)
            if code == 3 and is_empty and "nothing is committed yet" in err:
                break
            if code not in ({0, -signal.SIGKILL} if env else {0}):
                raise Broken(f"compact ended with exit {code}: {err}")
        pipeline.check()
        self.expect(pipeline)

    def repaired(self, pipeline) -> None:
        """What did not fit does not fit under the same config, and files that are whole stay: a repair, perhaps killed, changes no row."""
        pipeline.write_config()
        env = {"LAKEWARD_FAULT": f"{self.rng.choice(FAULT_POINTS)}=kill"} if self.rng.random() < 0.5 else None
        for env in [env, None]:
            code, err = self.command(pipeline, "repair", env, "--apply")
            # A table that differs from the config is refused, and a lake without a commit has nothing to repair.
            if code not in {0, 2, 3, -signal.SIGKILL} or code == -signal.SIGKILL and not env:
                raise Broken(f"repair ended with exit {code}: {err}")
        pipeline.check()
        self.expect(pipeline)

    def killed(self, pipeline) -> None:
        """Killed at a random instant; the next run makes it right."""
        code, _ = self.run(pipeline, seconds=self.rng.uniform(0.005, 0.25))
        self.after_kill(pipeline, code)

    def full(self, pipeline) -> None:
        """The disk is full at some place of the run; the next one has room again."""
        own = [] if os.geteuid() == 0 else ["--map-root-user"]
        space = ["unshare", "--mount", *own]
        if subprocess.run([*space, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode:
            self.counts["disks that may not be made"] += 1
            return self.expect(pipeline)
        room = self.rng.choice([0, 4, 8, 16, 24, 40, 64, 100, 200])
        self.log.append(f"  {room} KiB left")
        pipeline.write_config()
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], {})
        code, _ = self.awaited(self.spawned([*space, "sh", "-c", ON_SMALL_DISK, "sh", str(room), *pipeline.command()], None))
        # One resource may be done before the disk is full, or need no room: then the others are told, which is exit code 20.
        if code not in {0, 20, 75} and not (pipeline.may_refuse() and code in REFUSED):
            raise Broken(f"a run whose disk was full ended with exit {code}: {self.log[-1]}")
        self.counts["full disks"] += code != 0
        self.after_kill(pipeline, code)

    def stopped(self, pipeline) -> None:
        """A run that stands still until its lease is stale is overtaken, and wakes up behind the other one: it undoes nothing, and tells what it did."""
        if pipeline.may_refuse():
            return self.expect(pipeline)
        pipeline.write_config()
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], {})
        process = self.spawn(pipeline, (), None)
        try:
            process.wait(timeout=self.rng.uniform(0.005, 0.6))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGSTOP)
            self.counts["stood still"] += 1
        try:
            pipeline.might_have_run(False)
            self.age_leases()
            self.expect(pipeline)
        finally:
            process.send_signal(signal.SIGCONT)
        code, _ = self.ended(process, *process.communicate(timeout=RUN_SECONDS_MAX))
        if code not in (0, 75):
            raise Broken(f"a run that was overtaken ended with exit {code}: {self.log[-1]}")
        if code == 0:
            pipeline.might_have_run(False)
        pipeline.check()
        self.expect(pipeline)

    def age_leases(self) -> None:
        """Lets the last heartbeats of all leases be long ago."""
        for path in (self.folder / "lake" / "_lakeward").rglob("lease.json"):
            lease = json.loads(path.read_text())
            lease["heartbeat"] = "2020-01-01T00:00:00Z"
            path.write_text(json.dumps(lease))

    def point(self, pipeline) -> None:
        """Killed, or refused by the disk, at a named instant of the commit."""
        name, effect = self.rng.choice(FAULT_POINTS), self.rng.choice(["kill", "kill", "io"])
        self.log.append(f"  {name}={effect}")
        code, _ = self.run(pipeline, env={"LAKEWARD_FAULT": f"{name}#{self.rng.choice([1, 1, 2, 3])}={effect}"})
        self.after_kill(pipeline, code)

    def after_kill(self, pipeline, code: int) -> None:
        if code == 0:
            pipeline.has_run(pipeline.names, False)
            pipeline.check()
            return
        pipeline.might_have_run(False)
        if self.rng.random() < 0.5 and not self.has_left(pipeline):
            self.change(pipeline)
        self.expect(pipeline)

    def race(self, pipeline) -> None:
        """Two runs of one pipeline at once: one or both do the work, one may be told to come again. Two pipelines are in nobody's way."""
        if any(p.may_refuse() for p in self.pipelines):
            return self.expect(pipeline)
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
            pipeline.has_run(pipeline.names, False)
        if 0 not in codes:
            pipeline.might_have_run(False)
        self.expect(pipeline)

    def beside(self) -> None:
        """Both pipelines at once."""
        for pipeline in self.pipelines:
            pipeline.write_config()
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], {})
        for pipeline, process in [(pipeline, self.spawn(pipeline, (), None)) for pipeline in self.pipelines]:
            code, _ = self.ended(process, *process.communicate(timeout=RUN_SECONDS_MAX))
            if code != 0:
                raise Broken(f"{pipeline.world.name} beside another pipeline ended with exit {code}: {self.log[-1]}")
            pipeline.has_run(pipeline.names, False)
            pipeline.check()

    def steal(self, first, second) -> None:
        """A pipeline may not write the table of another one."""
        victim = next((r for r in first.world.resources if any(self.table(r).rglob("*.parquet")) and not r.parent), None)
        if victim is None:
            return
        config = second.world.config("./lake", self.api.url)
        config["resources"] = [victim.config() | {"name": "stolen", "table_name": victim.table}]
        config["resources"][0]["endpoint"]["path"] = f"/{victim.name}"
        (self.folder / "thief.yaml").write_text(json.dumps(config, ensure_ascii=False))
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], {})
        done = subprocess.run([self.binary, "run", "thief.yaml"], cwd=self.folder, capture_output=True, text=True, timeout=RUN_SECONDS_MAX,
                              stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin"})
        self.counts["runs"] += 1
        if done.returncode not in (2, 3) or first.world.name not in done.stderr:
            raise Broken(f"a pipeline that writes the table of `{first.world.name}` ended with exit {done.returncode}: {done.stderr[-800:]}")
        for pipeline in self.pipelines:
            pipeline.check()


def ancestors(resource) -> list:
    """The resource, its parent, and so on."""
    return [resource, *(ancestors(resource.parent) if resource.parent else [])]
