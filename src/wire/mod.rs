//! Burn's wire formats: all that this crate knows of how Burn names parameters and lays out its records, so that a
//! release of Burn breaks one place.

mod ids;
mod optimizer_state;
mod pack;
mod params;
mod progress;
mod training;
mod walk;

pub(crate) use ids::mix;
pub(crate) use optimizer_state::{OptimizerState, StateTensor};
pub(crate) use pack::Pack;
pub use params::ParamInfo;
pub(crate) use params::{ParamKind, is_distributed, running_statistics};
pub(crate) use progress::{ProgressRecord, WithProgress};
pub(crate) use training::Frozen;
pub(crate) use walk::{PathVisitor, walk};
