"""pandas with fastparquet: `pandas.read_parquet('<table>', engine="fastparquet")`."""

import emit
import numpy
import pandas


def plain(value):
    """The Python value behind one of numpy or pandas."""
    if value is None or value is pandas.NaT or value is pandas.NA:
        return None
    if isinstance(value, pandas.Timestamp):
        return value.to_pydatetime(warn=False)
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, numpy.ndarray):
        return [plain(inner) for inner in value.tolist()]
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def read(path, _partitions):
    frame = pandas.read_parquet(path, engine="fastparquet")
    columns = [[str(name), str(kind)] for name, kind in zip(frame.columns, frame.dtypes)]
    values = [[emit.tagged(plain(value)) for value in frame.iloc[:, number]] for number in range(len(columns))]
    return columns, [list(row) for row in zip(*values)]


emit.main(read)
