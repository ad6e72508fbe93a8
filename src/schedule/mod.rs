//! Schedules: how many unique layers a run holds, and when it grows.
//!
//! A [`Schedule`] is data (serde): stages with their unique layers and their ends. A
//! [`GrowthPolicy`] decides when the run passes to the next stage: at the scheduled end
//! ([`FixedPolicy`]), at a loss plateau ([`LossPlateau`]), or as the user says. [`LrAtGrowth`] says
//! what the learning rate does then. No tensor is known here.

mod error;
mod feed;
mod lr;
mod plateau;
mod policy;
mod stage;
mod timeline;

pub use error::ScheduleError;
pub(crate) use feed::Heard;
pub use feed::{LossFeed, LossPoint, Measurement};
pub use lr::LrAtGrowth;
pub use plateau::LossPlateau;
pub use policy::{Decision, FixedPolicy, GrowthPolicy, Observation, PolicyClone};
pub use stage::{Schedule, Stage, Until};
pub use timeline::Timeline;
