//! A training from its task and configuration to its results.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{Options, RunConfig};
use crate::error::{LabError, Result, chain};
use crate::folder::{RunFolder, Tables};
use crate::observer::{Observer, Observers};
use crate::results::SUMMARY;
use crate::run::end::End;
use crate::run::micro_batches::Workers;
use crate::run::state::{Run, Step};
use crate::run::train_loop::TrainLoop;
use crate::task::Task;

/// Whether a run, the first, is the same as another that is found in its folder.
type SameRun<C> = fn(&RunConfig<C>, &RunConfig<C>) -> bool;

/// A task that is to be trained.
pub struct Training<T: Task, C> {
    task: T,
    config: RunConfig<C>,
    same_run: SameRun<C>,
    step: Step<T, C>,
    observers: Vec<Box<dyn Observer>>,
}

impl<T, C> Training<T, C>
where
    T: Task,
    C: PartialEq + Serialize + DeserializeOwned,
{
    /// Of `task`, as `config` says.
    pub fn new(task: T, config: RunConfig<C>) -> Self {
        let step: Step<T, C> = |run| run.step().map(drop);
        let observers: Vec<Box<dyn Observer>> = vec![Box::new(Tables::default())];
        Self { task, config, same_run: RunConfig::eq, step, observers }
    }

    /// Tells by `same_run` whether the run that a folder holds is this one, in the place of equality: for configurations
    /// with parts that may differ, such as where the data lie. This run's configuration is the first.
    pub fn same_run(self, same_run: SameRun<C>) -> Self {
        Self { same_run, ..self }
    }

    /// What the run is a function of.
    pub fn config(&self) -> &RunConfig<C> {
        &self.config
    }

    /// Whether the run by another configuration is this one.
    pub fn is_same_run(&self, other: &RunConfig<C>) -> bool {
        (self.same_run)(&self.config, other)
    }

    /// Trains by a step of one's own.
    pub fn step(self, step: Step<T, C>) -> Self {
        Self { step, ..self }
    }

    /// Shows `observer` the run's moments too, such as [`Progress`](crate::Progress) and [`TensorBoard`](crate::TensorBoard).
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Trains, or goes on where the run in the folder stands. From here on the process catches Ctrl-C and SIGTERM, on
    /// Unix: the step is finished and a checkpoint written.
    ///
    /// Weights and dropout come from the device's own random numbers, which a process has once: two runs at a time in
    /// one process disturb each other.
    ///
    /// # Errors
    ///
    /// Those that [`LabError::is_usage`] names come before any training; the others leave a run that can be resumed.
    pub fn run(self, options: &Options) -> Result<End> {
        if options.checkpoint_every == 0 {
            return Err(LabError::setting("checkpoint_every", 0, "at least 1"));
        }
        let Self { task, config, same_run, step, observers } = self;
        let workers = Workers::new(options.workers.filter(|_| task.is_deterministic()))?;
        let observers = Observers::new(observers);
        let mut run = Run::new(task, config, options.device.clone(), observers, workers)?;
        run.config().check_task()?;
        let (dir, resumed) = RunFolder::open(
            &options.folder,
            run.config(),
            options.existing,
            |other| same_run(run.config(), other),
            options.retention,
            T::FILES,
        )?;
        let latest = match resumed {
            true => dir.checkpoints.latest_good().map_err(LabError::usage)?,
            false => None,
        };
        if let Some(latest) = latest {
            for damage in &latest.stepped_over {
                run.message(&format!("stepped over: {}", chain(damage)))?;
            }
            let saved = latest.set.state("config").map_err(LabError::usage)?;
            if !same_run(run.config(), &saved) {
                return Err(LabError::OtherSet { set: latest.set.path().to_owned() });
            }
            run = run.restore(&latest.set).map_err(LabError::Restore)?;
            if run.left() == 0 && dir.file(SUMMARY).exists() {
                run.message(&format!("the run in {} is finished", options.folder.display()))?;
                return Ok(End::Finished);
            }
            run.message(&format!("resumed before step {}", run.apollo.step_count()))?;
        }
        TrainLoop::new(run, step, options, &dir)?.train()
    }
}
