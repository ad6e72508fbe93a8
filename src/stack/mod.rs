//! The growable layer stack: a drop-in for `Vec<L>` that runs at a virtual depth.
//!
//! A model that holds a [`LayerStack`] instead of a `Vec` keeps its forward pass: iterating the stack
//! yields the unique layers in virtual order. [`Growable`] names a model's stacks, so that
//! [`Apollo`](crate::Apollo) can set their depth and grow them.

mod copy;
mod growable;
mod layer_stack;
mod module;
mod names;
mod sealed;
mod untied;

pub(crate) use copy::{ParamOrigin, independent};
pub use growable::{Growable, GrowableStack};
pub use layer_stack::{LayerStack, Layers};
pub(crate) use names::{meant_by, zeroed};
pub(crate) use sealed::{Stack, stacks, stacks_mut};
pub use untied::Untied;
