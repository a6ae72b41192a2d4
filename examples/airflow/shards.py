"""A nightly run in shards: one task plans, mapped tasks ask side by side, one commits. Each task is one command of lakeward.

The config and what it takes from the environment are there for every worker. A shard that fails is retried by Airflow; what an attempt before it left
does not count.
"""

import subprocess

import pendulum
from airflow.sdk import dag, task

CONFIG = "/srv/billing/billing.yaml"
SHARDS = 8


def lakeward(*arguments: str, stdin: str = "") -> list[str]:
    """Runs a command; its lines on stdout. What it says on stderr is the task's log."""
    done = subprocess.run(["lakeward", "shard", *arguments], input=stdin, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


@dag(schedule="15 3 * * *", start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False, max_active_runs=1, default_args={"retries": 3})
def billing_in_shards():
    @task
    def plan() -> list[str]:
        return lakeward("plan", CONFIG, "--shards", str(SHARDS))

    @task
    def ask(spec: str) -> str:
        return lakeward("run", CONFIG, "-", stdin=spec)[0]

    @task
    def commit(manifests: list[str]) -> None:
        lakeward("commit", CONFIG, stdin="\n".join(manifests))

    commit(ask.expand(spec=plan()))


billing_in_shards()
