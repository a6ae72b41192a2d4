"""pyarrow: `pyarrow.dataset.dataset('<table>', format="parquet", partitioning="hive").to_table()`."""

import emit
import pyarrow.dataset


def read(path, _partitions):
    return emit.arrow(pyarrow.dataset.dataset(path, format="parquet", partitioning="hive").to_table())


emit.main(read)
