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
    /// The schedule, or what the learning rate does.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}
