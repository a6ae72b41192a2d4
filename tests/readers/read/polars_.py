"""polars: `polars.read_parquet('<table>/**/*.parquet', hive_partitioning=True)`."""

import emit
import polars


def read(path, _partitions):
    frame = polars.read_parquet(path + "/**/*.parquet", hive_partitioning=True)
    return [[name, str(kind)] for name, kind in frame.schema.items()], [[emit.tagged(value) for value in row] for row in frame.iter_rows()]


emit.main(read)
