//! Optimizer state through a growth, and the optimizer's learning rate.
//!
//! Burn keeps optimizer state by parameter id. When a layer is copied, its copies have ids of their own
//! and would start without state; a growth gives them the state of their source, by a
//! [`MomentPolicy`]. It works on the optimizer's record, so it holds for every optimizer of Burn, mixed
//! parameter groups included.
//!
//! Parameter groups, of the optimizer and of a learning-rate scheduler, must tell parameters by parts of their
//! path that all layers share (`linear.weight`). A group by parameter ids does not know the copies, and one by
//! layer number means other layers after a growth: copies would then train by the settings of another group. As long as
//! growths are to come, the first step of every stage refuses both for the learning rate. Burn does not show an optimizer's
//! groups: a growth refuses one whose group keeps other state, but one of other settings alone goes unnoticed.
//!
//! With a GPU feature of Burn switched on, Burn loads optimizer state through `Device::default()` before
//! it moves to each parameter's device; set the environment variable `BURN_DEVICE` where that device
//! does not exist.

mod groups;
mod inherit;
mod rates;
mod scheduler;

pub use crate::plan::{MomentOrders, MomentPolicy};
pub(crate) use groups::{StackCopies, check_rates};
pub use inherit::StateReport;
pub(crate) use inherit::{check_precision, inherit};
pub(crate) use rates::{rates, scaled as scaled_rates, without as without_gradients};
