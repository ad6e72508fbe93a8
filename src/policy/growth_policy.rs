use core::fmt::Debug;

use super::{LOSS, Measurement};
use crate::plan_error::PlanError;

/// What a [`GrowthPolicy`] sees after an optimizer step.
///
/// `..Default::default()` leaves out what a test or an example does not need.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observation<'a> {
    /// Optimizer steps done so far; the next step has this number.
    pub step: u64,
    /// The current stage, from 0.
    pub stage: usize,
    /// The stages of the schedule.
    pub stages: usize,
    /// The step at which the current stage began.
    pub stage_start: u64,
    /// The step at which the schedule ends the current stage.
    pub stage_end: u64,
    /// Optimizer steps of the run.
    pub steps: u64,
    /// Unique layers now, over all stacks.
    pub unique_layers: usize,
    /// Losses and other numbers recorded since the policy was last asked, in order of recording.
    pub measurements: &'a [Measurement],
}

impl<'a> Observation<'a> {
    /// The training losses among the measurements.
    pub fn losses(&self) -> impl Iterator<Item = &'a Measurement> + use<'a> {
        self.named(LOSS)
    }

    /// The measurements of a name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &'a Measurement> + use<'a> {
        let name = name.to_owned();
        self.measurements.iter().filter(move |m| m.name == name)
    }
}

/// What a [`GrowthPolicy`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Stay in the current stage.
    Stay,
    /// Grow to the next stage of the schedule, before the next step.
    Grow,
    /// Grow to a later stage of the schedule at once, over those between. The schedule lists the sizes that a run may
    /// have: one with a stage for every number of layers lets the policy choose freely. A stage that is not later
    /// than the current one, or that the schedule does not have, is an error of the run.
    GrowTo(usize),
    /// Nothing can be decided, because numbers of this name that the policy needs were never recorded: an error of the
    /// run.
    Missing(&'static str),
}

/// When a run passes to the next stage of its schedule.
///
/// # Contract
///
/// [`Apollo`](crate::Apollo) calls [`decide`](Self::decide) once after every optimizer step, in order,
/// as long as there is a next stage, and saves [`state`](Self::state) with the model's record. After a
/// resume it calls [`restore`](Self::restore) once, with what `state` gave, before the next `decide`.
/// It does not ask while a [try-out](crate::branch) goes on, whose losses are no losses of the run; after one that was
/// adopted it asks again, with the step and stage of the adopted branch.
/// Decisions must follow from the observations alone, or devices that own a copy of the policy each
/// (distributed data parallel) will not agree: a policy that looks at losses or other numbers belongs to one device, or
/// to several under one optimizer.
///
/// # Example
///
/// Grow every 100 steps, whatever the schedule's ends say:
///
/// ```
/// use burn_apollo::policy::{Decision, GrowthPolicy, Observation};
///
/// #[derive(Debug, Clone)]
/// struct EveryHundred;
///
/// impl GrowthPolicy for EveryHundred {
///     fn decide(&mut self, now: &Observation<'_>) -> Decision {
///         match now.step - now.stage_start >= 100 {
///             true => Decision::Grow,
///             false => Decision::Stay,
///         }
///     }
/// }
///
/// let now = Observation { step: 100, steps: 1000, ..Default::default() };
/// assert_eq!(EveryHundred.decide(&now), Decision::Grow);
/// ```
pub trait GrowthPolicy: Debug + Send + Sync {
    /// Whether to grow now.
    fn decide(&mut self, now: &Observation<'_>) -> Decision;

    /// What a resumed run needs to decide alike. Empty by default.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Takes back what [`state`](Self::state) gave.
    ///
    /// # Errors
    ///
    /// When the state is of another policy.
    fn restore(&mut self, state: &[f64]) -> Result<(), PlanError> {
        PlanError::unless(state.is_empty(), "policy.state", state.len(), "0 numbers")
    }
}

const _: Option<&dyn GrowthPolicy> = None; // stays object-safe

/// A policy that a run can hold and clone.
pub trait PolicyObject: GrowthPolicy {
    /// A boxed clone of the policy.
    fn clone_object(&self) -> Box<dyn PolicyObject>;
}

impl<P: GrowthPolicy + Clone + 'static> PolicyObject for P {
    fn clone_object(&self) -> Box<dyn PolicyObject> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn PolicyObject> {
    fn clone(&self) -> Self {
        self.as_ref().clone_object()
    }
}

/// Grows exactly where the schedule says: the paper's policy.
///
/// ```
/// use burn_apollo::policy::{Decision, FixedPolicy, GrowthPolicy, Observation};
///
/// let now = Observation { step: 49, stage_end: 50, steps: 1000, ..Default::default() };
/// assert_eq!(FixedPolicy.decide(&now), Decision::Stay);
/// assert_eq!(FixedPolicy.decide(&Observation { step: 50, ..now }), Decision::Grow);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FixedPolicy;

impl GrowthPolicy for FixedPolicy {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        match now.step >= now.stage_end {
            true => Decision::Grow,
            false => Decision::Stay,
        }
    }
}
