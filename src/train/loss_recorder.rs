use std::sync::{Arc, Mutex};

use super::monitor::lock;
use crate::policy::LOSS;

/// A handle through which a model tells its growth policy losses and other numbers, inside burn-train.
///
/// burn-train's `optimize` sees gradients but no loss. So the model holds a clone of the recorder (`#[module(skip)]`) and
/// calls [`record`](Self::record) in its `TrainStep::step`; the policy sees what was recorded at the end of the step.
/// Reading a loss makes the device wait: do it every few steps where that matters. Metrics are computed behind the
/// training and would record losses at other steps in each run.
///
/// What was recorded before [`Trainable::with_losses`](super::Trainable::with_losses) is dropped there: a recorder belongs
/// to one run at a time. Workers of distributed data parallel share one recorder: they need a policy that looks at no
/// loss.
#[derive(Debug, Clone, Default)]
pub struct LossRecorder {
    recorded: Arc<Mutex<Vec<(String, f64)>>>,
}

impl LossRecorder {
    /// Records the loss of the step that runs.
    pub fn record(&self, loss: f64) {
        self.measure(LOSS, loss);
    }

    /// Records any other number of the step that runs, under a name that the policy knows.
    pub fn measure(&self, name: impl Into<String>, value: f64) {
        lock(&self.recorded).push((name.into(), value));
    }

    /// What was recorded since it was last taken, which it stays.
    pub(super) fn waiting(&self) -> Vec<(String, f64)> {
        lock(&self.recorded).clone()
    }

    /// What was recorded since it was last taken.
    pub(super) fn take(&self) -> Vec<(String, f64)> {
        core::mem::take(&mut lock(&self.recorded))
    }
}
