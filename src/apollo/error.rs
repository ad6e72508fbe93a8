use std::sync::Arc;

use thiserror::Error;

use crate::depth::DepthError;
use crate::expand::ExpandError;
use crate::optim::OptimError;
use crate::schedule::ScheduleError;
use crate::stack::StackError;

/// What is wrong with a run of [`Apollo`](crate::Apollo).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApolloError {
    /// The depth distribution of a stage.
    #[error(transparent)]
    Depth(#[from] DepthError),
    /// The layer map of a depth or a growth.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// The schedule, the growth policy or the learning-rate rule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The model's layer stacks.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The optimizer state of grown layers.
    #[error(transparent)]
    Optim(#[from] OptimError),
    /// A growth that failed; the model and the optimizer are as they were.
    #[error("growth to stage {stage} before step {step} failed: {cause}")]
    Growth {
        /// The stage that should have begun.
        stage: usize,
        /// Optimizer steps done.
        step: u64,
        /// What failed.
        cause: Box<ApolloError>,
    },
    /// What failed earlier in the run; see [`Apollo::growth`](crate::Apollo::growth).
    #[error(transparent)]
    Failed(Arc<ApolloError>),
    /// Something panicked during a growth: an allocation, an initialiser, a layer.
    #[error("panicked: {0}")]
    Panicked(String),
    /// The device could not do what it was asked to, for want of memory for one.
    #[error("the device failed: {0}")]
    Device(String),
    /// The gradient of a parameter holds a NaN or an infinity.
    #[error("step {step}: the gradient of `{param}` is not finite")]
    NotFinite {
        /// The optimizer step, from 0.
        step: u64,
        /// Path of the parameter.
        param: String,
    },
    /// A depth that a stack cannot run at.
    #[error("stack {stack} runs at depths {unique}..={target} now, found {depth}")]
    DepthRange {
        /// Place of the stack in its model.
        stack: usize,
        /// The depth asked for.
        depth: usize,
        /// Unique layers of the stack.
        unique: usize,
        /// Target depth of the stack.
        target: usize,
    },
    /// An inference depth beyond the model's.
    #[error("`inference_depth`: {depth} is not in 1..={target}, the target depth of stack {stack}")]
    InferenceDepth {
        /// Place of the stack in its model.
        stack: usize,
        /// The depth asked for.
        depth: usize,
        /// Target depth of the stack.
        target: usize,
    },
    /// Something else than a [`branch`](crate::Apollo::branch) of the run was to be adopted.
    #[error("only a branch of this very run can be adopted")]
    NotABranch,
    /// The model has no parameter, so it is on no device.
    #[error("the model has no parameter to train")]
    NoParameter,
    /// A record whose progress is of another plan or damaged.
    #[error("`apollo.progress` of the record: {0}")]
    Progress(String),
}
