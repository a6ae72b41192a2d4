//! To be written: `pipeline`.
