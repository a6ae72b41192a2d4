"""The S3 servers of the tests: SeaweedFS (signatures, identities, conditional writes) and moto (fast, in memory).

In: an empty folder. Out: running servers on 127.0.0.1, and the environment by which the tests find them:
LAKEWARD_TEST_S3_ENDPOINT, _BUCKET, _KEY, _SECRET, _RO_KEY, _RO_SECRET (SeaweedFS; the RO identity may only read) and
LAKEWARD_TEST_MOTO_ENDPOINT (moto; any key will do; the same bucket name).

Everything started here ends with this process, also when it is killed.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

READY_SECONDS_MAX = 90
BUCKET = "lakeward-test"
_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def free_ports(count: int) -> list[int]:
    """`count` different ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def die_with_parent() -> None:
    """For `preexec_fn`: a process group of its own, killed when the parent dies, however it dies."""
    os.setpgid(0, 0)
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def server(command: list, log: pathlib.Path, ready, env: dict | None = None):
    """Runs `command` until the block ends; the block starts once `ready()` is true."""
    with log.open("wb") as out:
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   env={**os.environ, **(env or {})}, preexec_fn=die_with_parent)
    try:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{command[0]} did not become ready (exit {process.poll()}):\n{tail}")
            time.sleep(0.05)
        yield process
    finally:
        # Nothing it holds outlives the tests, and a clean SeaweedFS shutdown takes ten seconds.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    """True when something speaks HTTP at `url`, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def s3_client(endpoint: str, key: str, secret: str):
    import boto3
    from botocore.config import Config

    return boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
                        region_name="us-east-1", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}))


class SeaweedFs:
    """A SeaweedFS of the tests: its ports, identities and folder, which outlive a process of it that is killed."""

    def __init__(self, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.key, self.secret, self.ro_key, self.ro_secret = (secrets.token_hex(12) for _ in range(4))
        identities = {"identities": [
            {"name": "writer", "credentials": [{"accessKey": self.key, "secretKey": self.secret}],
             "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
            {"name": "reader", "credentials": [{"accessKey": self.ro_key, "secretKey": self.ro_secret}], "actions": ["Read", "List"]},
        ]}
        (folder / "identities.json").write_text(json.dumps(identities))
        (folder / "seaweedfs").mkdir(exist_ok=True)
        names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
                 "s3.port", "s3.port.grpc"]
        self.ports = dict(zip(names, free_ports(len(names))))
        self.endpoint = f"http://127.0.0.1:{self.ports['s3.port']}"

    def running(self):
        """A process of it until the block ends, from when the bucket can be written."""
        weed = [pathlib.Path(sys.executable).parent / "weed", "-logtostderr", "server", f"-dir={self.folder / 'seaweedfs'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                *(f"-{name}={port}" for name, port in self.ports.items()), "-filer", "-s3",
                "-master.electionTimeout=2s", "-master.volumeSizeLimitMB=256", "-volume.max=40", "-master.telemetry=false",
                f"-s3.config={self.folder}/identities.json", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false",
                f"-filer.localSocket={self.folder}/filer.sock", f"-s3.localSocket={self.folder}/s3.sock"]
        return server(weed, self.folder / "seaweedfs.log", bucket_made(self.endpoint, self.key, self.secret))


def bucket_made(url: str, *identity: str):
    """Says whether the bucket is there and can be written; makes it where it is not."""
    import botocore.exceptions

    def ready() -> bool:
        client = s3_client(url, *identity)
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
                client.create_bucket(Bucket=BUCKET)
            # The bucket may be there before anything can be written into it.
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"x")
            client.delete_object(Bucket=BUCKET, Key="ready")
            return True
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            return False

    return ready


@contextlib.contextmanager
def s3_servers(folder: pathlib.Path):
    """Both servers, each with the bucket; yields the environment for the tests."""
    weed = SeaweedFs(folder)
    moto_port, = free_ports(1)
    moto_endpoint = f"http://127.0.0.1:{moto_port}"
    moto = [pathlib.Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", moto_port]
    with weed.running(), server(moto, folder / "moto.log", bucket_made(moto_endpoint, "any", "any")):
        yield {
            "LAKEWARD_TEST_S3_ENDPOINT": weed.endpoint, "LAKEWARD_TEST_S3_BUCKET": BUCKET,
            "LAKEWARD_TEST_S3_KEY": weed.key, "LAKEWARD_TEST_S3_SECRET": weed.secret,
            "LAKEWARD_TEST_S3_RO_KEY": weed.ro_key, "LAKEWARD_TEST_S3_RO_SECRET": weed.ro_secret,
            "LAKEWARD_TEST_MOTO_ENDPOINT": moto_endpoint,
        }
