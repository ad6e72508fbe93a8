//! Growth policies: when a run passes to the next stage of its schedule.
//!
//! A [`GrowthPolicy`] decides after every optimizer step, from an [`Observation`]: at the scheduled end
//! ([`FixedPolicy`]), at a plateau of the loss ([`LossPlateau`]), or as the user says. A [`Policy`] is one of them as
//! data, for a plan. No tensor is known here.

mod error;
mod growth_policy;
mod measurement;
mod plateau;
mod policy;

pub use error::PolicyError;
pub(crate) use growth_policy::PolicyObject;
pub use growth_policy::{Decision, FixedPolicy, GrowthPolicy, Observation};
pub(crate) use measurement::number;
pub use measurement::{LOSS, Measurement};
pub use plateau::LossPlateau;
pub use policy::{CustomPolicy, Policy};
