//! lakeward.
fn main() {}
