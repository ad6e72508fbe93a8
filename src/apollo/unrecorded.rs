//! What burn-train's records do not hold of a run: left by the run for the checkpointers, which see the records alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Apollo;
use crate::policy::Measurement;
use crate::stack::Growable;
use crate::wire::Frozen;

/// Of one step.
#[derive(Debug, Clone)]
pub(crate) struct Unrecorded {
    /// What the growth policy has yet to see.
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) frozen: Frozen,
}

/// By step, once somebody asked for it. Shared by all clones of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnrecordedSteps(Arc<Mutex<Option<BTreeMap<u64, Unrecorded>>>>);

/// Records are written behind the training: those of so many steps may be on their way.
const KEPT: usize = 16;

impl UnrecordedSteps {
    fn steps(&self) -> MutexGuard<'_, Option<BTreeMap<u64, Unrecorded>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a step; older ones are of no more use.
    pub(crate) fn take(&self, step: u64) -> Option<Unrecorded> {
        let mut steps = self.steps();
        let steps = steps.as_mut()?;
        steps.retain(|kept, _| *kept >= step);
        steps.get(&step).cloned()
    }
}

impl<M: Growable> Apollo<M> {
    /// What the records of this run do not hold, which is kept from now on.
    pub(crate) fn unrecorded(&self) -> UnrecordedSteps {
        self.role.unrecorded.steps().get_or_insert_default();
        self.role.unrecorded.clone()
    }

    /// Keeps it for the record that is made now, with `waiting` numbers that the run has not recorded yet.
    pub(crate) fn keep_unrecorded(&self, waiting: Vec<(String, f64)>) {
        let mut steps = self.role.unrecorded.steps();
        let Some(steps) = steps.as_mut().filter(|_| self.device.is_autodiff()) else { return };
        let (step, depth) = (self.step_count(), self.depth());
        let mut measurements = self.role.measurements.clone();
        let waiting = waiting.into_iter();
        measurements.extend(waiting.map(|(name, value)| Measurement { step, name, value, depth }));
        steps.insert(step, Unrecorded { measurements, frozen: Frozen::of(self.model()) });
        while steps.len() > KEPT {
            steps.pop_first();
        }
    }
}
