//! Schedules: how many unique layers a run holds, where it grows, and what the learning rate does.
//!
//! A [`Schedule`] is data (serde): stages with their unique layers and their ends. [`LrShape`] says what the learning
//! rate does over the run, [`LrAtGrowth`] what it does at a growth, [`LayerRates`] what it is for each layer. No tensor is known here.

mod layer_rates;
mod lr;
mod lr_shape;
mod stage;
mod timeline;
mod warm_up;

pub use layer_rates::LayerRates;
pub use lr::LrAtGrowth;
pub use lr_shape::LrShape;
pub(crate) use lr_shape::PhaseKind;
pub use stage::{Schedule, Stage, Until};
pub use timeline::Timeline;
pub use warm_up::WarmUp;
