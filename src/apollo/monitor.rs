use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What a training step ran at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepInfo {
    /// The optimizer step, from 0.
    pub step: u64,
    /// The stage, from 0.
    pub stage: usize,
    /// Unique layers, over all stacks.
    pub unique_layers: usize,
    /// Virtual depth, over all stacks.
    pub depth: usize,
}

/// The training steps that an [`Apollo`](crate::Apollo) and its clones have run, oldest first, each taken
/// out once. It keeps the latest 65536. Clones share one log.
#[derive(Debug, Clone, Default)]
pub struct StepLog {
    steps: Arc<Steps>,
}

type Steps = Mutex<VecDeque<StepInfo>>;

const CAPACITY: usize = 1 << 16;

impl StepLog {
    /// Takes out the oldest step.
    pub fn next_step(&self) -> Option<StepInfo> {
        lock(&self.steps).pop_front()
    }
}

/// Tells the logs that are still read which steps were run.
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

    pub(super) fn tell(&self, info: StepInfo) {
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
