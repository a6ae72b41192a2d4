"""Random histories of a lake in a bucket whose server is killed under it, against the same model.

    bucket.py LAKEWARD [--histories N] [--seed N]

SeaweedFS is killed at a random instant of a run, and started again while the run waits, or after it gave up. A run that ends well has done
its work; one that does not says that it may be made again (exit 75), and the next run makes it right. After each the bucket's files are what
the model says. Ends non-zero when a promise broke or no history ended.
"""

import argparse
import collections
import contextlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import services
from nights import REFUSED, Broken
from scenario import History, play

# How many of the nights have an outage, and how long the bucket is away: within what a run waits for it, or past it.
OUTAGES = 0.7
SECONDS_AWAY = [0] * 6 + [1, 3, 75]


class BucketHistory(History):
    """One lake in a bucket of its own prefix."""

    def __init__(self, binary: pathlib.Path, folder: pathlib.Path, seed: int, server: "Server"):
        super().__init__(binary, folder, seed)
        self.server, self.prefix = server, f"history-{seed}"
        weed = server.weed
        self.lake = f"s3://{services.BUCKET}/{self.prefix}"
        self.env |= {"AWS_ENDPOINT": weed.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": weed.key,
                     "AWS_SECRET_ACCESS_KEY": weed.secret}

    def has_left(self, pipeline) -> bool:
        return any(self.folder.glob("lakeward-answers-*/*.answers"))

    def night(self, pipeline) -> None:
        if self.rng.random() < OUTAGES:
            self.outage(pipeline)
        else:
            self.plain(pipeline)

    def outage(self, pipeline) -> None:
        """The bucket's server is killed in the middle of a run."""
        pipeline.write_config()
        self.api.tonight([r for p in self.pipelines for r in p.world.resources], {})
        process = self.spawn(pipeline, (), None)
        after, away = self.rng.uniform(0, 1.2), self.rng.choice(SECONDS_AWAY)
        self.log.append(f"  killed after {after:.2f} s, away for {away} s")
        time.sleep(after)
        self.counts["killed in a run"] += process.poll() is None
        self.server.kill()
        # The run may end first.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=away)
        self.server.start()
        code, _ = self.awaited(process)
        # 20: some tables were published before it went, or after it came back.
        if code not in {0, 20, 75} and not (pipeline.may_refuse() and code in REFUSED):
            raise Broken(f"a run whose bucket went away ended with exit {code}: {self.log[-1]}")
        self.counts["given up"] += code in {20, 75}
        self.after_kill(pipeline, code)

    def rows(self, resource) -> list:
        """Those of the bucket's files, brought here."""
        shutil.rmtree(self.table(resource), ignore_errors=True)
        client = self.server.client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=services.BUCKET, Prefix=f"{self.prefix}/{resource.table}/"):
            for found in page.get("Contents", []):
                path = self.folder / "lake" / pathlib.PurePosixPath(found["Key"]).relative_to(self.prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(services.BUCKET, found["Key"], str(path))
        return super().rows(resource)

    def steal(self, first, second) -> None:
        """That a table has one owner is tried on disk."""


class Server:
    """The bucket's server, which can be killed."""

    def __init__(self, folder: pathlib.Path):
        self.weed = services.SeaweedFs(folder)
        self.start()

    def start(self) -> None:
        self.running = self.weed.running()
        self.running.__enter__()

    def kill(self) -> None:
        self.running.__exit__(None, None, None)

    def client(self):
        return services.s3_client(self.weed.endpoint, self.weed.key, self.weed.secret)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--histories", type=int, default=1)
    parser.add_argument("--seed", type=int, help="the first seed; by default the time tells it")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else int(time.time())
    print(f"bucket: the first seed is {seed}", flush=True)
    passed = failed = 0
    counts: collections.Counter = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="lakeward-bucket-") as folder:
        server = Server(pathlib.Path(folder))
        try:
            for played in range(seed, seed + args.histories):
                _, broken, more = play(str(pathlib.Path(args.binary).resolve()), played, None, BucketHistory, server)
                counts.update(more)
                passed, failed = passed + (not broken), failed + bool(broken)
                if broken:
                    print(f"FAILED  seed {played}: {broken}", flush=True)
        finally:
            server.kill()
    print(f"bucket: {dict(counts)}")
    print(f"bucket: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
