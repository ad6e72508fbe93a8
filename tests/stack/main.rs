//! Layer stacks: how they run, what a growth makes of them, kinds of models.

#[path = "../support/mod.rs"]
mod support;

mod identity;
mod model_kinds;
mod shared_weights;
mod ties_and_caches;
mod two_stacks;
mod untied;
