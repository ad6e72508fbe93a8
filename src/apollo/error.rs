use std::sync::Arc;

use thiserror::Error;

use crate::optim::OptimError;
use crate::plan::PlanError;
use crate::stack::StackError;

/// What is wrong with a run of [`Apollo`](crate::Apollo).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApolloError {
    /// The plan, or what a part of it answered.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The model's layer stacks.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The optimizer state of grown layers.
    #[error(transparent)]
    Optim(#[from] OptimError),
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
    /// The growth policy needs numbers that the training loop never recorded. The update before it was done and counted.
    #[error(
        "the growth policy `{policy}` needs the {name} to decide about the end of stage {stage}, and none was recorded: \
         call `Apollo::record_loss` or `record`, in burn-train `LossRecorder::record`"
    )]
    Missing {
        /// The stage that should end.
        stage: usize,
        /// The policy's name.
        policy: String,
        /// What was not recorded.
        name: &'static str,
    },
    /// A growth was asked for to a stage that is no later stage of the schedule.
    #[error(
        "a growth to stage {stage} was asked for in stage {current} of a schedule with {stages} stages, from 0"
    )]
    Target {
        /// The stage asked for.
        stage: usize,
        /// The stage that the run is in.
        current: usize,
        /// The number of stages.
        stages: usize,
    },
    /// Other code panicked: an allocation, an initialiser, a layer, a user's sampler, expander or policy.
    #[error("{what} panicked: {message}")]
    Panicked {
        /// What was being done.
        what: &'static str,
        /// What the panic said.
        message: String,
    },
    /// The device could not do what it was asked to, for want of memory for one.
    #[error("the device failed: {0}")]
    Device(String),
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
    /// A learning rate is a NaN or an infinity. Nothing was changed or counted.
    #[error("step {step}: the learning rate of `{param}` is {rate}")]
    Rate {
        /// The optimizer step, from 0.
        step: u64,
        /// Path of the first parameter with such a rate.
        param: String,
        /// The rate.
        rate: f64,
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
    /// The model has no parameter, so it is on no device.
    #[error("the model has no parameter to train")]
    NoParameter,
    /// A record whose progress is of another plan or damaged.
    #[error("`apollo.progress` of the record: {0}")]
    Progress(String),
    /// A step failed in burn-train, whose hook cannot return the error.
    #[error("a step of the training failed")]
    Failed(#[source] Arc<ApolloError>),
}
