//! The part of `examples/common` that imports models.
#![allow(dead_code, unused_imports)] // the examples use more of it

#[path = "../examples/common/bert.rs"]
pub mod bert;
#[path = "../examples/common/failure.rs"]
pub mod failure;
#[path = "../examples/common/gpt.rs"]
pub mod gpt;
#[path = "../examples/common/hf/mod.rs"]
pub mod hf;

pub use failure::{Failure, run_error, usage};
