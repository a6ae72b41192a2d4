"""DataFusion: `CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '<table>/'`."""

import datafusion
import emit


def read(path, _partitions):
    context = datafusion.SessionContext()
    context.sql("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '" + path.replace("'", "''") + "/'")
    return emit.arrow(context.sql("SELECT * FROM t").to_arrow_table())


emit.main(read)
