"""ClickHouse, as chdb: `SELECT * FROM file('<table>/**/*.parquet', 'Parquet')`."""

import chdb
import emit
import pyarrow.ipc


def text(value):
    """Text columns come as bytes."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {name: text(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [text(inner) for inner in value]
    return value


def read(path, _partitions):
    source = "file('" + path.replace("\\", "\\\\").replace("'", "\\'") + "/**/*.parquet', 'Parquet')"
    types = chdb.query(f"DESCRIBE {source}", "JSONCompactColumns")
    names, kinds = __import__("json").loads(str(types))[:2]
    answer = chdb.query(f"SELECT * FROM {source}", "ArrowStream")
    table = pyarrow.ipc.open_stream(answer.bytes()).read_all()
    values = [table.column(number).to_pylist() for number in range(table.num_columns)]
    return [list(column) for column in zip(names, kinds)], [[emit.tagged(text(value)) for value in row] for row in zip(*values)]


emit.main(read)
