//! To be written: `cli`.
