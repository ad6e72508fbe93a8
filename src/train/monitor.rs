use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What a training step ran at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StepInfo {
    /// Unique layers, over all stacks.
    pub(super) unique_layers: usize,
    /// Virtual depth, over all stacks.
    pub(super) depth: usize,
    /// The plan's factor on the learning rate.
    pub(super) lr_factor: f64,
}

/// The training steps that a [`Trainable`](super::Trainable) and its clones have run, oldest first, each to be taken
/// out once. It keeps the latest 65536.
pub(super) type StepLog = Mutex<VecDeque<StepInfo>>;

const CAPACITY: usize = 1 << 16;

/// The logs of training steps that are still read.
#[derive(Debug, Clone, Default)]
pub(super) struct Monitor {
    logs: Arc<Mutex<Vec<Weak<StepLog>>>>,
}

impl Monitor {
    pub(super) fn subscribe(&self) -> Arc<StepLog> {
        let log = Arc::default();
        lock(&self.logs).push(Arc::downgrade(&log));
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
