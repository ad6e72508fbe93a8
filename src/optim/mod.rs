//! Optimizer state through a growth.
//!
//! Burn keeps optimizer state by parameter id. When a layer is copied, its copies have ids of their own
//! and would start without state; [`inherit`] gives them the state of their source, by a
//! [`MomentPolicy`]. It works on the optimizer's record, so it holds for every optimizer of Burn, mixed
//! parameter groups included.

mod error;
mod inherit;
mod orders;

pub use error::OptimError;
pub(crate) use inherit::check_precision;
pub use inherit::{MomentPolicy, StateReport, inherit};
pub use orders::MomentOrders;
