use core::fmt::Debug;

use super::{LossPoint, ScheduleError};

/// What a [`GrowthPolicy`] sees after an optimizer step.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Optimizer steps done so far; the next step has this number.
    pub step: u64,
    /// The current stage, from 0.
    pub stage: usize,
    /// The step at which the current stage began.
    pub stage_start: u64,
    /// The step at which the schedule ends the current stage.
    pub stage_end: u64,
    /// Optimizer steps of the run.
    pub steps: u64,
    /// Losses fed since the policy was last asked, in order of feeding (see [`LossFeed`](super::LossFeed)).
    pub losses: &'a [LossPoint],
}

/// What a [`GrowthPolicy`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Stay in the current stage.
    Stay,
    /// Grow to the next stage of the schedule, before the next step.
    Grow,
}

/// When a run passes to the next stage of its schedule.
///
/// # Contract
///
/// [`Apollo`](crate::Apollo) calls [`decide`](Self::decide) once after every optimizer step, in order,
/// as long as there is a next stage, and saves [`state`](Self::state) with the model's record. After a
/// resume it calls [`restore`](Self::restore) once, with what `state` gave, before the next `decide`.
/// Decisions must follow from the observations alone, or devices that own a copy of the policy each
/// (distributed data parallel) will not agree. `state` must always have the same length.
///
/// # Example
///
/// Grow every 100 steps, whatever the schedule's ends say:
///
/// ```
/// use burn_apollo::schedule::{Decision, GrowthPolicy, Observation};
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
/// let now = Observation { step: 100, stage: 0, stage_start: 0, stage_end: 50, steps: 1000, losses: &[] };
/// assert_eq!(EveryHundred.decide(&now), Decision::Grow);
/// ```
pub trait GrowthPolicy: PolicyClone + Debug + Send + Sync {
    /// Whether to grow now.
    fn decide(&mut self, now: &Observation<'_>) -> Decision;

    /// What a resumed run needs to decide alike; always of the same length. Empty by default.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Takes back what [`state`](Self::state) gave.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::PolicyState`] when the state is of another policy.
    fn restore(&mut self, state: &[f64]) -> Result<(), ScheduleError> {
        match state {
            [] => Ok(()),
            state => Err(ScheduleError::PolicyState {
                policy: "a policy without state",
                expected: 0,
                found: state.len(),
            }),
        }
    }
}

/// Clones a boxed [`GrowthPolicy`]; implemented for every policy that is [`Clone`].
///
/// ```
/// use burn_apollo::schedule::{FixedPolicy, GrowthPolicy};
///
/// let policy: Box<dyn GrowthPolicy> = Box::new(FixedPolicy);
/// let copy = policy.clone();
/// # let _ = copy;
/// ```
pub trait PolicyClone {
    /// A boxed clone of the policy.
    fn clone_box(&self) -> Box<dyn GrowthPolicy>;
}

impl<P: GrowthPolicy + Clone + 'static> PolicyClone for P {
    fn clone_box(&self) -> Box<dyn GrowthPolicy> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn GrowthPolicy> {
    fn clone(&self) -> Self {
        self.as_ref().clone_box()
    }
}

/// Grows exactly where the schedule says: the paper's policy.
///
/// ```
/// use burn_apollo::schedule::{Decision, FixedPolicy, GrowthPolicy, Observation};
///
/// let now = Observation { step: 49, stage: 0, stage_start: 0, stage_end: 50, steps: 1000, losses: &[] };
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
