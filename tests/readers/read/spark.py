"""Spark: `spark.read.parquet('<table>')`. Values come as text that Spark makes of them, so that Python's calendar has no say."""

import os

import emit

os.environ.update(SPARK_LOCAL_IP="127.0.0.1", SPARK_LOCAL_HOSTNAME="localhost", TZ="UTC", PYSPARK_PYTHON=os.sys.executable)

import json  # noqa: E402 - the environment comes first

from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql import types as t  # noqa: E402

SETTINGS = {"spark.ui.enabled": "false", "spark.driver.memory": "1g", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.session.timeZone": "UTC", "spark.ui.showConsoleProgress": "false", "spark.log.level": "OFF"}
builder = SparkSession.builder.master("local[1]").appName("matrix")
for setting, value in SETTINGS.items():
    builder = builder.config(setting, value)
session = builder.getOrCreate()
session.sparkContext.setLogLevel("OFF")


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def literal(name):
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def expression(value, kind, depth=0):
    """SQL that makes the tagged form of `value`."""
    if isinstance(kind, t.BooleanType):
        return value
    if isinstance(kind, (t.ByteType, t.ShortType, t.IntegerType, t.LongType)):
        return f"concat('i:', cast({value} as string))"
    if isinstance(kind, (t.FloatType, t.DoubleType)):
        return f"concat('f:', cast({value} as string))"
    if isinstance(kind, t.DecimalType):
        return f"concat('d:', cast({value} as string))"
    if isinstance(kind, t.StringType):
        return f"concat('s:', {value})"
    if isinstance(kind, t.BinaryType):
        return f"concat('b:', lower(hex({value})))"
    if isinstance(kind, t.DateType):
        return f"concat('D:', cast(unix_date({value}) as string))"
    if isinstance(kind, t.TimestampType):
        return f"concat('z:', cast(unix_micros({value}) as string))"
    if type(kind).__name__ == "TimestampNTZType":
        return f"concat('n:', cast(unix_micros(cast({value} as timestamp)) as string))"
    if isinstance(kind, t.ArrayType):
        return f"transform({value}, e{depth} -> {expression(f'e{depth}', kind.elementType, depth + 1)})"
    if isinstance(kind, t.StructType):
        fields = ", ".join(f"{literal(f.name)}, {expression(f'{value}.{quoted(f.name)}', f.dataType, depth)}" for f in kind.fields)
        return f"if({value} is null, null, named_struct({fields}))"
    raise TypeError(f"a column of the type {kind}")


def read(path, _partitions):
    frame = session.read.parquet(path)
    fields = frame.schema.fields
    columns = [[field.name, field.dataType.simpleString()] for field in fields]
    if not fields:
        return columns, [[] for _ in range(frame.count())]
    cells = ", ".join(f"'c{number}', {expression(quoted(field.name), field.dataType)}" for number, field in enumerate(fields))
    rows = frame.selectExpr(f"to_json(named_struct({cells}), map('ignoreNullFields', 'false')) as row").collect()
    return columns, [[row[f"c{number}"] for number in range(len(fields))] for row in (json.loads(row.row) for row in rows)]


emit.main(read)
session.stop()
