//! okdl.
fn main() {}
