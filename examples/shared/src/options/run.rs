//! Options that all examples share: where a run is written, how long it is, how it goes on.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use burn_apollo::Plan;
use burn_apollo::checkpoint::Retention;
use burn_apollo_lab::{Existing, OnNotFinite, OptimConfig, Options, RunConfig};
use clap::{Args, ValueEnum};

use crate::options::optimizer::OptimOptions;
use crate::options::rate::RateOptions;
use crate::{Failure, device};

/// A run: length, rate, seed, folder.
#[derive(Args, Debug, Clone)]
pub struct RunOptions {
    /// Folder for steps.csv, summary.json, checkpoints and the model
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where to compute: flex, or cpu, cuda, rocm, wgpu, vulkan, metal in builds with that feature
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Optimizer steps
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub steps: u64,
    /// Examples per micro-batch
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub batch: u32,
    /// Micro-batches per optimizer step, whose gradients are averaged
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub accumulate: u32,
    #[command(flatten)]
    pub rate: RateOptions,
    #[command(flatten)]
    pub optimizer: OptimOptions,
    /// Seed of the weights, the data order, the depths, dropout and sampled results
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// What to do when gradients are not finite: stop, skip the step, or roll back to the last good checkpoint and
    /// go on with other data
    #[arg(long, value_enum, default_value_t)]
    pub not_finite: NotFinite,
    /// Steps between two checkpoints
    #[arg(long, value_name = "STEPS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub checkpoint_every: u64,
    /// Newest checkpoints to keep
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub keep: u32,
    /// Checkpoints with the lowest validation loss to keep beside them
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub keep_best: u32,
    /// Micro-batches that are computed at the same time, each on one thread, where there are several in a step and no
    /// dropout; on the processor as many as it has cores if not given. It changes no bit of a run
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Write an event file too, for TensorBoard on the output folder
    #[arg(long)]
    pub tensorboard: bool,
    /// Continue the run in the output folder, or begin it
    #[arg(long)]
    pub resume: bool,
    /// Replace the run in the output folder; with --export or --prepare, what is there
    #[arg(long)]
    pub overwrite: bool,
    /// Stop after this many steps as if interrupted; --resume goes on
    #[arg(long, value_name = "STEP", value_parser = clap::value_parser!(u64).range(1..))]
    pub stop_after: Option<u64>,
}

/// [`OnNotFinite`] as an option.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NotFinite {
    #[default]
    Stop,
    Skip,
    RollBack,
}

impl From<NotFinite> for OnNotFinite {
    fn from(option: NotFinite) -> Self {
        match option {
            NotFinite::Stop => Self::Stop,
            NotFinite::Skip => Self::Skip,
            NotFinite::RollBack => Self::RollBack,
        }
    }
}

impl RunOptions {
    /// The configuration of a run of `task` by `plan`.
    pub fn config<T>(&self, task: T, plan: Plan) -> RunConfig<T> {
        RunConfig {
            task,
            batch: self.batch as usize,
            accumulate: self.accumulate as usize,
            lr: self.rate.lr,
            optimizer: OptimConfig::from(&self.optimizer),
            not_finite: self.not_finite.into(),
            plan,
        }
    }

    /// The paper's plan, as long as the run and with its seed and learning rate.
    pub fn plan(&self) -> Result<Plan, Failure> {
        let plan = Plan::new(self.steps).with_seed(self.seed);
        let lr = self.rate.over(plan.lr)?;
        Ok(plan.with_lr(lr))
    }

    /// What does not change the run.
    pub(crate) fn lab(&self) -> Result<Options, Failure> {
        let mut options = Options::new(&self.out, device::by_name(&self.device)?);
        options.existing = self.existing();
        options.retention = self.retention();
        options.checkpoint_every = self.checkpoint_every;
        options.stop_after = self.stop_after;
        options.workers = self.workers();
        Ok(options)
    }

    fn workers(&self) -> Option<NonZeroUsize> {
        let cores = || match self.device.as_str() {
            "flex" => std::thread::available_parallelism().ok(),
            _ => None,
        };
        self.workers.or_else(cores).filter(|_| self.accumulate > 1)
    }

    pub fn existing(&self) -> Existing {
        match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Overwrite,
            _ => Existing::Refuse,
        }
    }

    pub fn retention(&self) -> Retention {
        Retention::last(self.keep as usize).and_lowest(self.keep_best as usize)
    }
}

/// A learning rate, a standard deviation.
pub fn positive_up_to_one(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x <= 1.0 => Ok(x),
        _ => Err("must be a number above 0 and at most 1".to_owned()),
    }
}
