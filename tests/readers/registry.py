"""The readers of the matrix: what they are, how they are installed, and what is known of them.

A limit is something that this version of the reader cannot do, with the reason; its key is a table, or a table and a column, with
`*` for any text. The matrix fails where a reader differs without a limit that says so, and where a limit is met no more.
"""

import dataclasses

MODERN = "delta and byte-stream-split encodings (`lake.compat: modern`) are not known to it"
NO_UNESCAPE = "the texts of partition folders are shown as they are escaped (`a%2Fb`)"
NULL_FOLDER = "a partition column with a null folder is refused, once its type is guessed from the others"


@dataclasses.dataclass(frozen=True)
class Reader:
    """One version of a reader."""

    family: str
    version: str
    # The script in `read/`, and the pinned packages in `requirements/`; without them those of the tests are used.
    script: str
    requirements: str = ""
    # Pythons for which the packages are built: the least and the greatest minor version of 3.
    pythons: tuple = (11, 13)
    # Runs in `./tests/run`, being the oldest or newest of its family.
    in_ci: bool = False
    # Whether it shows the partition columns of a folder.
    shows_folders: bool = True
    # Spellings other than the value's own, from `compare.DEVIATIONS`, that are this reader's way.
    spellings: frozenset = frozenset()
    limits: dict = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.family} {self.version}"


GUESSED = frozenset({"guessed"})
WORD = frozenset({"word"})
POLARS_STRUCTS = frozenset({"double", "guessed", "hollow"})
PANDAS = frozenset({"double", "nan", "naive", "time", "flat", "word", "guessed", "number", "hollow"})
MODERN_REFUSED = {"modern_*": MODERN}
ESCAPED = dict.fromkeys(("partition_text.v", "partition_timestamp.v", "folders_timestamp.v"), NO_UNESCAPE)


def all_readers() -> list:
    nested = "lists of objects, lists of lists and lists of times are lost or shown as numbers, without an error"
    calendar = "dates are nanoseconds, which begin in 1677 and end in 2262; others are shown wrong, without an error"
    digits = "decimals are doubles, computed with an error of their own"
    folders = "folders of numbers or dates beside a null folder are refused or not, by chance"
    fastparquet = {
        "modern_*": MODERN, "lists.at": nested, "lists.ll": nested, "lists_of_objects.people": nested, "deep.v": nested, "evolved.l": nested, "spliced.lo": nested,
        "dates_early.v": calendar, "dates_late.v": calendar, "decimals.small": digits, "decimals.mixed": digits, "decimals.fraction": digits,
        **ESCAPED,
        "partition_two.at_month": "folders of months are shown as times",
        "partition_*": folders, "many_files": folders, "emptied_partitions.v": "a table without rows has no partition columns"}
    return [
        Reader("Spark", "3.3.4", "spark.py", "spark-3.3", (7, 11), True, spellings=GUESSED),
        Reader("Spark", "3.5.9", "spark.py", "spark-3.5", (8, 11), spellings=GUESSED, limits=MODERN_REFUSED),
        Reader("Spark", "4.0.5", "spark.py", "spark-4.0", (9, 13), spellings=GUESSED, limits=MODERN_REFUSED),
        Reader("Spark", "4.1.4", "spark.py", "spark-4.1", (10, 13), spellings=GUESSED, limits=MODERN_REFUSED),
        Reader("Spark", "4.3.0", "spark.py", in_ci=True, spellings=GUESSED),
        Reader("DuckDB", "0.10.3", "duckdb_.py", "duckdb-0.10", (7, 12), True, spellings=GUESSED | WORD,
               limits=ESCAPED),
        Reader("DuckDB", "1.1.3", "duckdb_.py", "duckdb-1.1", (7, 13), spellings=GUESSED | WORD),
        Reader("DuckDB", "1.5.5", "duckdb_.py", spellings=GUESSED),
        Reader("DuckDB", "2.0.1", "duckdb_.py", "duckdb-2.0", in_ci=True, spellings=GUESSED),
        Reader("pyarrow", "8.0.0", "pyarrow_.py", "pyarrow-8", (7, 10), spellings=GUESSED, limits=MODERN_REFUSED),
        Reader("pyarrow", "10.0.1", "pyarrow_.py", "pyarrow-10", (7, 11), True, spellings=GUESSED, limits=MODERN_REFUSED),
        Reader("pyarrow", "14.0.2", "pyarrow_.py", "pyarrow-14", (8, 12), spellings=GUESSED),
        Reader("pyarrow", "26.0.1", "pyarrow_.py", in_ci=True, spellings=GUESSED),
        Reader("polars", "0.20.31", "polars_.py", "polars-0.20", (8, 13), True, spellings=POLARS_STRUCTS,
               limits={**MODERN_REFUSED, "partition_boolean": NULL_FOLDER, "partition_truncate_text": NULL_FOLDER}),
        Reader("polars", "1.44.2", "polars_.py", "polars-1.44", spellings=GUESSED),
        Reader("polars", "2.1.0", "polars_.py", "polars-2.1", in_ci=True, spellings=GUESSED),
        Reader("pandas with fastparquet", "2023.10.1", "fastparquet_.py", "fastparquet-2023", (8, 12), True, spellings=PANDAS, limits=fastparquet),
        Reader("pandas with fastparquet", "2026.9.0", "fastparquet_.py", "fastparquet-2026", in_ci=True, spellings=PANDAS, limits=fastparquet),
        Reader("ClickHouse (chdb)", "4.4.0", "chdb_.py", "chdb-4", in_ci=True, spellings=frozenset({"guessed", "word", "empty", "hollow"}),
               limits={**ESCAPED, "folders_date.v": "dates before 1970 in folders are shown as 1970-01-01, without an error", "partition_integer": NULL_FOLDER,
                       "partition_boolean": NULL_FOLDER, "partition_date": NULL_FOLDER, "partition_decimal": NULL_FOLDER, "partition_day": NULL_FOLDER,
                       "partition_truncate_integer": NULL_FOLDER, "partition_bucket": NULL_FOLDER, "many_files": NULL_FOLDER,
                       "names_in_objects": "a field that is called `null` is refused"}),
        Reader("DataFusion", "55.0.0", "datafusion_.py", "datafusion-55", in_ci=True, spellings=WORD),
        Reader("Rust parquet", "50.0.0", "parquet50", in_ci=True, shows_folders=False, limits=MODERN_REFUSED),
        Reader("hyparquet", "1.33.0", "hyparquet", in_ci=True, shows_folders=False, spellings=frozenset({"double", "milliseconds", "instant"}),
               limits={"text_bom.v": "a byte order mark at the start of a text is dropped"}),
    ]


READERS = all_readers()
