//! A run inside burn-train.

#[path = "../support/mod.rs"]
mod support;

mod checkpointers;
mod data;
mod learner;
mod policy;
mod same_depths;
