//! What burn-train's records do not say of a run: left by the run for the checkpointers, which see the records alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::optim::ModuleOptimizer;

use super::Apollo;
use crate::optim::Treatments;
use crate::policy::Measurement;
use crate::stack::Growable;
use crate::wire::Frozen;

/// Of one step.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    /// What the growth policy has yet to see.
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) frozen: Frozen,
    pub(crate) optimizer: Option<Treatments>,
}

/// Shared by all clones of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    wanted: bool,
    by_step: BTreeMap<u64, Note>,
    /// Of a stage.
    optimizer: Option<(usize, Option<Treatments>)>,
}

/// Records are written behind the training: those of so many steps may be on their way.
const KEPT: usize = 16;

impl Notes {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The note of a step; older ones are of no more use.
    pub(crate) fn take(&self, step: u64) -> Option<Note> {
        let mut noted = self.noted();
        noted.by_step.retain(|noted, _| *noted >= step);
        noted.by_step.get(&step).cloned()
    }
}

impl<M: Growable> Apollo<M> {
    /// The notes of this run, which are written from now on.
    pub(crate) fn notes(&self) -> Notes {
        self.role.notes.noted().wanted = true;
        self.role.notes.clone()
    }

    /// Notes what the optimizer does, once a stage.
    pub(crate) fn note_optimizer(&self, optim: &ModuleOptimizer) {
        let (mut noted, stage) = (self.role.notes.noted(), self.stage());
        if noted.wanted && noted.optimizer.as_ref().is_none_or(|(noted, _)| *noted != stage) {
            noted.optimizer = Some((stage, self.treatments(optim)));
        }
    }

    /// Notes how the run stands, with `waiting` numbers that it has not recorded yet.
    pub(crate) fn note(&self, waiting: Vec<(String, f64)>) {
        let (mut noted, step) = (self.role.notes.noted(), self.step_count());
        if !noted.wanted || !self.device.is_autodiff() {
            return;
        }
        let depth = self.depth();
        let mut measurements = self.role.measurements.clone();
        measurements.extend(waiting.into_iter().map(|(name, value)| Measurement {
            step,
            name,
            value,
            depth,
        }));
        let optimizer = noted.optimizer.as_ref().and_then(|(_, optimizer)| optimizer.clone());
        noted
            .by_step
            .insert(step, Note { measurements, frozen: Frozen::of(self.model()), optimizer });
        while noted.by_step.len() > KEPT {
            noted.by_step.pop_first();
        }
    }
}
