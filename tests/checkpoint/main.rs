//! Checkpoints as sets.

#[path = "../support/mod.rs"]
mod support;
#[path = "../../fuzz/targets.rs"]
mod targets;

mod damage;
mod folder;
mod format;
mod sets;
