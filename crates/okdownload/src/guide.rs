//! One page for each thing that programs do: first an example that runs, then the facts.
//!
//! | page | is about |
//! |---|---|
//! | [`progress`] | how far, how fast, how long still; what happens meanwhile |
//! | [`pause_and_resume`] | stopping and going on: in the same run, after a crash, at another URL |
//! | [`many_files`] | handles, limits, priorities, groups, one after the other |
//! | [`reading`] | bytes in order while they come, and no file |
//! | [`replacing_a_part`] | a decision, a connection, an output or a store of your own |
//! | [`errors`] | what can go wrong, what is tried again, what to show to people |
//! | [`synchronous`] | programs without `async` |
//! | [`storage`] | what is stored where, for how long, and how to choose it |
//!
//! In the examples `ok` is an engine, as `OkDownload::builder().build()?` makes it; `url` and `directory` are yours. What
//! awaits is within `#[tokio::main(flavor = "current_thread")] async fn main() -> Result<()>`, which takes
//! `cargo add tokio --features macros,rt`.
//!
//! The module is there in the docs only: it has no code.

#[doc = include_str!("guide/progress.md")]
pub mod progress {}

#[doc = include_str!("guide/pause_and_resume.md")]
pub mod pause_and_resume {}

#[doc = include_str!("guide/many_files.md")]
pub mod many_files {}

#[doc = include_str!("guide/reading.md")]
pub mod reading {}

#[doc = include_str!("guide/replacing_a_part.md")]
pub mod replacing_a_part {}

#[doc = include_str!("guide/errors.md")]
pub mod errors {}

#[doc = include_str!("guide/synchronous.md")]
pub mod synchronous {}

#[doc = include_str!("guide/storage.md")]
pub mod storage {}
