use std::sync::Arc;

use thiserror::Error;

use crate::plan::PlanError;

/// What is wrong with a run of [`Apollo`](crate::Apollo).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApolloError {
    /// The plan, or what a part of it answered.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A growth that failed. The update before it was done and counted; the model and the optimizer are as it left them.
    /// A policy that wants the growth asks for it again after the next step, so that every step from here on gives this
    /// error until one of three things is done: what failed is mended, [`Apollo::grow`](crate::Apollo::grow) grows in
    /// another way, or the run ends here ([`Apollo::into_partly_trained`](crate::Apollo::into_partly_trained)).
    #[error(
        "the growth to stage {stage} failed before step {step}; all steps until there count, and the next will ask for it \
         again: mend the cause, or grow in another way with `Apollo::grow`"
    )]
    Growth {
        /// The stage that should have begun.
        stage: usize,
        /// Optimizer steps done.
        step: u64,
        /// What failed.
        #[source]
        cause: Box<ApolloError>,
    },
    /// The gradient of a parameter holds a NaN or an infinity. Nothing was changed or counted.
    #[error("step {step}: the gradient of `{param}` is not finite")]
    Gradient {
        /// The optimizer step, from 0.
        step: u64,
        /// Path of the parameter.
        param: String,
    },
    /// Too many steps in a row were skipped for gradients that are not finite. Nothing was changed or counted in the last.
    #[error(
        "step {step}: the gradient of `{param}` is not finite, after {skipped} steps in a row that were skipped for the like"
    )]
    Skipped {
        /// The optimizer step, from 0.
        step: u64,
        /// Path of the parameter.
        param: String,
        /// Steps in a row that were skipped before this one.
        skipped: u32,
    },
    /// The model is wanted before all of its layers were trained.
    #[error(
        "the run stands at step {step} of {steps}, in stage {stage} of {stages} (from 0), and layers of its full model \
         were never trained: train on, or take it as it is with `into_partly_trained`"
    )]
    Unfinished {
        /// Optimizer steps done.
        step: u64,
        /// Optimizer steps of the plan.
        steps: u64,
        /// The current stage.
        stage: usize,
        /// The number of stages.
        stages: usize,
    },
    /// The device could not do what it was asked to, for want of memory for one.
    #[error("the device failed: {0}")]
    Device(String),
    /// A step failed in burn-train, whose hook cannot return the error.
    #[error("a step of the training failed")]
    Failed(#[source] Arc<ApolloError>),
    /// Anything else that is refused: a model that cannot be grown, an optimizer whose state or parameter groups would not
    /// outlast a growth, a value out of its range. The message says what was found and what would be right.
    #[error("{0}")]
    Other(String),
}

/// An [`ApolloError::Other`] of a format string.
macro_rules! other {
    ($($message:tt)*) => { $crate::apollo::ApolloError::Other(format!($($message)*)) };
}
pub(super) use other;
