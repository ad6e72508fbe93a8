use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What a training step ran at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StepInfo {
    /// The optimizer step, from 0.
    pub(super) step: u64,
    /// Unique layers, over all stacks.
    pub(super) unique_layers: usize,
    /// Virtual depth, over all stacks.
    pub(super) depth: usize,
    /// The plan's factor on the learning rate.
    pub(super) lr_factor: f64,
}

/// The training steps that a [`Trainable`](super::Trainable) and its clones have run, oldest first, each taken
/// out once. It keeps the latest 65536. Clones share one log.
#[derive(Debug, Clone, Default)]
pub(super) struct StepLog {
    steps: Arc<Steps>,
}

type Steps = Mutex<VecDeque<StepInfo>>;

const CAPACITY: usize = 1 << 16;

impl StepLog {
    /// Takes out the oldest step.
    pub(super) fn next_step(&self) -> Option<StepInfo> {
        lock(&self.steps).pop_front()
    }
}

/// The logs of training steps that are still read.
#[derive(Debug, Clone, Default)]
pub(super) struct Monitor {
    logs: Arc<Mutex<Vec<Weak<Steps>>>>,
}

impl Monitor {
    pub(super) fn subscribe(&self) -> StepLog {
        let log = StepLog::default();
        lock(&self.logs).push(Arc::downgrade(&log.steps));
        log
    }

    pub(super) fn log(&self, info: StepInfo) {
        lock(&self.logs).retain(|log| {
            let Some(log) = log.upgrade() else { return false };
            let mut steps = lock(&log);
            if steps.len() == CAPACITY {
                steps.pop_front();
            }
            steps.push_back(info);
            true
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
