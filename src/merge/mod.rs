//! Merge: one row per primary key.
//!
//! In: the key columns of batches as they arrive, and those of live data files. Out: which rows of the run are superseded
//! by a later one, and which rows of which file a row of the run replaces. Memory is bounded: past its budget the log of
//! keys spills by hash bucket. Not here: paths, stores, when to merge.
