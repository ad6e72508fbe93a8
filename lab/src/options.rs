use std::num::NonZeroUsize;
use std::path::PathBuf;

use burn::tensor::Device;
use burn_apollo::checkpoint::Retention;

use crate::folder::Existing;
use crate::prefix::Prefix;

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
    /// Write an [event file](crate::results::EVENTS) for TensorBoard too.
    pub tensorboard: bool,
    /// Steps after which a checkpoint is kept, beside all others, for runs that begin as this one.
    pub keep_at: Vec<u64>,
    /// The run as which this one begins: what it has kept is taken over in place of the first steps. Where it has kept
    /// nothing, they are done.
    pub prefix: Option<Prefix>,
    /// Print nothing.
    pub quiet: bool,
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
            tensorboard: false,
            workers: None,
            keep_at: Vec::new(),
            prefix: None,
            quiet: false,
        }
    }

    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            println!("{text}");
        }
    }
}
