//! Checkpoints as sets.

#[path = "../support/mod.rs"]
mod support;

mod damage;
mod folder;
mod format;
mod sets;
