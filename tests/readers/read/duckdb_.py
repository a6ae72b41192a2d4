"""DuckDB: `SELECT * FROM read_parquet('<table>/**/*.parquet', hive_partitioning = true)`."""

import duckdb
import emit

connection = duckdb.connect()


def read(path, _partitions):
    query = "SELECT * FROM read_parquet('" + path.replace("'", "''") + "/**/*.parquet', hive_partitioning = true)"
    types = connection.execute(f"DESCRIBE {query}").fetchall()
    rows = connection.execute(query).fetchall()
    return [list(column[:2]) for column in types], [[emit.tagged(value) for value in row] for row in rows]


emit.main(read)
