use std::num::NonZeroUsize;
use std::path::PathBuf;

use burn::tensor::Device;
use burn_apollo::checkpoint::Retention;

use crate::folder::Existing;

/// Where and how a training goes: nothing here changes what it computes, but the device's own rounding.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the run.
    pub folder: PathBuf,
    /// The device to compute on.
    pub device: Device,
    /// What becomes of a run that the folder holds already.
    pub existing: Existing,
    /// Steps between two checkpoints, at least 1. Each comes with a validation.
    pub checkpoint_every: u64,
    /// Which checkpoints are kept.
    pub retention: Retention,
    /// Stop after this many steps, with a checkpoint, as a signal would.
    pub stop_after: Option<u64>,
    /// Micro-batches of a step that are computed at the same time, each on one thread, for a [deterministic
    /// task](crate::Task::is_deterministic): small models gain more by that than by many threads for each operation. The run's
    /// bits are the same for any number. If not given, one micro-batch follows the other, on all threads of the device.
    pub workers: Option<NonZeroUsize>,
}

impl Options {
    /// A new run in `folder`, with a checkpoint every 100 steps, of which two are kept.
    pub fn new(folder: impl Into<PathBuf>, device: Device) -> Self {
        Self {
            folder: folder.into(),
            device,
            existing: Existing::Refuse,
            checkpoint_every: 100,
            retention: Retention::last(2),
            stop_after: None,
            workers: None,
        }
    }
}
