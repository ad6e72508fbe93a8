use thiserror::Error;

use crate::depth::DepthError;
use crate::expand::ExpandError;
use crate::policy::PolicyError;
use crate::schedule::ScheduleError;

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The sampler.
    #[error(transparent)]
    Depth(#[from] DepthError),
    /// The expander.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// The growth policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A user's sampler, expander or policy panicked.
    #[error("`{field}` {name:?} panicked: {message}")]
    Panicked {
        /// The field of the plan.
        field: &'static str,
        /// The part's name.
        name: String,
        /// What the panic said.
        message: String,
    },
    /// The schedule, or what the learning rate does.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}
