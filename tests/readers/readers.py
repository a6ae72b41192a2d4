"""DuckDB, pyarrow and Spark as a user points them at a table, and what they read in one comparable form.

In: the path of a table, local or `s3://bucket/prefix` (Spark: local only). Out: a `Reading`: rows as plain Python values in
which a value reads the same whoever read it. No reader is given options beyond the ones the documentation promises:
DuckDB `read_parquet('<table>/**/*.parquet', hive_partitioning=true)`, Spark `spark.read.parquet(<table>)`.

S3 is reached by LAKEWARD_TEST_S3_ENDPOINT, _KEY and _SECRET, or by the three of those names that the caller passes.
"""

import contextlib
import dataclasses
import datetime
import decimal
import functools
import hashlib
import json
import math
import os
import pathlib
import re
import urllib.parse

import duckdb
import pyarrow
import pyarrow.dataset
import pyarrow.fs

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"


class Disagreement(Exception):
    """Two readers, or a reader and what was expected, differ."""


@dataclasses.dataclass
class Reading:
    """What one reader made of a table: its columns in name order, each row as canonical JSON text, sorted."""

    reader: str
    columns: list
    rows: list
    sums: dict

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.rows).encode()).hexdigest()


def is_s3(path: str) -> bool:
    return path.startswith("s3://")


def s3_access() -> tuple:
    """Endpoint, key and secret."""
    return tuple(os.environ[f"LAKEWARD_TEST_S3_{name}"] for name in ("ENDPOINT", "KEY", "SECRET"))


# --- the readers -----------------------------------------------------------------------------------------------------------


@functools.cache
def duckdb_connection():
    con = duckdb.connect()
    con.sql("SET TimeZone = 'UTC'")
    return con


@functools.cache
def duckdb_s3() -> None:
    """Loads httpfs from its Python package (nothing is downloaded) and signs in."""
    import duckdb_extension_httpfs

    folder = pathlib.Path(duckdb_extension_httpfs.__file__).parent
    extension = next(folder.rglob("httpfs.duckdb_extension"))
    endpoint, key, secret = s3_access()
    con = duckdb_connection()
    con.sql(f"LOAD '{extension}'")
    con.sql(f"CREATE OR REPLACE SECRET lake (TYPE s3, KEY_ID '{key}', SECRET '{secret}', REGION 'us-east-1', "
            f"ENDPOINT '{endpoint.removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)")


def duckdb_relation(path: str) -> str:
    """The FROM clause of the documentation."""
    if is_s3(path):
        duckdb_s3()
    return "read_parquet('" + path.replace("'", "''") + "/**/*.parquet', hive_partitioning=true)"


def read_duckdb(path: str) -> pyarrow.Table:
    return duckdb_connection().sql(f"SELECT * FROM {duckdb_relation(path)}").to_arrow_table()


def pyarrow_dataset(path: str) -> pyarrow.dataset.Dataset:
    if not is_s3(path):
        return pyarrow.dataset.dataset(path, format="parquet", partitioning="hive")
    endpoint, key, secret = s3_access()
    fs = pyarrow.fs.S3FileSystem(access_key=key, secret_key=secret, endpoint_override=endpoint, region="us-east-1")
    return pyarrow.dataset.dataset(path.removeprefix("s3://"), filesystem=fs, format="parquet", partitioning="hive")


def read_pyarrow(path: str) -> pyarrow.Table:
    return pyarrow_dataset(path).to_table()


@functools.cache
def spark():
    """One session for the process; starting it takes about ten seconds."""
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["SPARK_LOCAL_HOSTNAME"] = "localhost"
    from pyspark.sql import SparkSession

    settings = {"spark.ui.enabled": "false", "spark.driver.memory": "2g", "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1", "spark.sql.session.timeZone": "UTC", "spark.log.level": "ERROR",
                "spark.sql.shuffle.partitions": "2", "spark.ui.showConsoleProgress": "false"}
    builder = SparkSession.builder.master("local[2]").appName("lakeward-readers")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def read_spark(path: str) -> pyarrow.Table:
    return spark().read.parquet(path).toArrow()


READERS = {"duckdb": read_duckdb, "pyarrow": read_pyarrow, "spark": read_spark}


# --- one form for all ------------------------------------------------------------------------------------------------------


def data_files(path: str) -> list:
    """Paths of the table's Parquet files, relative to the table."""
    if not is_s3(path):
        root = pathlib.Path(path)
        return sorted(f.relative_to(root).as_posix() for f in root.rglob("*.parquet"))
    return sorted(f.removeprefix(path.removeprefix("s3://")).lstrip("/") for f in pyarrow_dataset(path).files)


def folder_values(path: str) -> dict:
    """Partition columns and the texts their folders carry."""
    values = {}
    for file in data_files(path):
        for part in file.split("/")[:-1]:
            name, _, text = part.partition("=")
            values.setdefault(urllib.parse.unquote(name), set()).add(urllib.parse.unquote(text))
    return values


def partition_text(value, texts: set) -> str:
    """The folder text a reader made `value` of: readers guess the types of partition columns differently, and all are right."""
    if value is None:
        return NULL_FOLDER
    if str(value) in texts:
        return str(value)
    for text in texts:
        if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
            with contextlib.suppress(ValueError):
                if float(text) == float(value):
                    return text
        elif isinstance(value, bool) and text.lower() == str(value).lower():
            return text
        elif isinstance(value, datetime.date) and re.fullmatch(r"\d{4}(-\d\d){0,2}", text):
            # Spark reads `2026-11` as the date 2026-11-01.
            if value.isoformat().startswith(text) and value.isoformat()[len(text):] in ("", "-01", "-01-01", "T00:00:00"):
                return text
        elif isinstance(value, datetime.datetime) and value.isoformat(" ").startswith(text):
            return text
    raise Disagreement(f"partition value {value!r} matches none of the folders {sorted(texts)[:20]}")


def canonical(value):
    """`value` as JSON can carry it without loss."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return f"float:{value!r}"
        case decimal.Decimal():
            return f"decimal:{value.normalize():f}"
        case datetime.datetime():
            zone = value.astimezone(datetime.timezone.utc) if value.tzinfo else value
            return f"timestamp:{zone.isoformat(timespec='microseconds')}"
        case datetime.date():
            return f"date:{value.isoformat()}"
        case bytes():
            return f"bytes:{value.hex()}"
        case dict():
            return {name: canonical(inner) for name, inner in value.items()}
        case list() | tuple():
            return [canonical(inner) for inner in value]
    raise Disagreement(f"a reader gave a value of type {type(value).__name__}")


def column_sum(values: list):
    """The exact sum of a numeric column, as text; None for any other."""
    present = [v for v in values if v is not None]
    if not present or any(isinstance(v, bool) or not isinstance(v, (int, float, decimal.Decimal)) for v in present):
        return None
    if any(isinstance(v, float) for v in present):
        return repr(math.fsum(present))
    with decimal.localcontext(decimal.Context(prec=100)):
        total = sum((decimal.Decimal(v) for v in present), decimal.Decimal(0))
        return f"{total.normalize():f}"


def read(reader: str, path: str) -> Reading:
    """Reads the whole table with one reader."""
    table = READERS[reader](path)
    partitions = folder_values(path)
    columns = {}
    for name in sorted(table.column_names):
        values = table.column(name).to_pylist()
        if name in partitions:
            values = [partition_text(v, partitions[name]) for v in values]
        columns[name] = values
    rows = sorted(json.dumps(dict(zip(columns, map(canonical, row))), ensure_ascii=False, sort_keys=True)
                  for row in zip(*columns.values()))
    sums = {name: total for name, values in columns.items() if (total := column_sum(values)) is not None}
    return Reading(reader, list(columns), rows, sums)


def agree(readings: list) -> Reading:
    """The reading all gave; raises `Disagreement` naming the first difference."""
    first, *others = readings
    for other in others:
        if first.columns != other.columns:
            raise Disagreement(f"{first.reader} has the columns {first.columns}, {other.reader} has {other.columns}")
        if len(first.rows) != len(other.rows):
            raise Disagreement(f"{first.reader} reads {len(first.rows)} rows, {other.reader} reads {len(other.rows)}")
        for a, b in zip(first.rows, other.rows):
            if a != b:
                raise Disagreement(f"{first.reader} reads {a[:1000]}, {other.reader} reads {b[:1000]}")
    return first
