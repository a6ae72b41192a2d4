//! A lake in a bucket.
