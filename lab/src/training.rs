//! A training from its task and configuration to its results.

use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::RunConfig;
use crate::cycle::Cycle;
use crate::end::End;
use crate::error::{LabError, Result, chain};
use crate::folder::RunFolder;
use crate::micro_batches::Workers;
use crate::observer::Observer;
use crate::options::Options;
use crate::results::SUMMARY;
use crate::run::{Run, Step};
use crate::task::Task;

/// Whether a run, the first, is the same as another that is found in its folder.
type SameRun<C> = fn(&RunConfig<C>, &RunConfig<C>) -> bool;

/// A task that is to be trained.
pub struct Training<T: Task, C> {
    task: T,
    config: RunConfig<C>,
    same_run: SameRun<C>,
    step: Step<T, C>,
    observer: Rc<dyn Observer>,
}

impl<T, C> Training<T, C>
where
    T: Task,
    C: PartialEq + Serialize + DeserializeOwned,
{
    /// Of `task`, as `config` says.
    pub fn new(task: T, config: RunConfig<C>) -> Self {
        let step: Step<T, C> = |run, progress| run.step(progress).map(drop);
        Self { task, config, same_run: RunConfig::eq, step, observer: Rc::new(()) }
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

    /// Shows `observer` the run's moments.
    pub fn observer(self, observer: impl Observer + 'static) -> Self {
        Self { observer: Rc::new(observer), ..self }
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
            let (field, right) = ("checkpoint_every", "at least 1");
            return Err(LabError::Setting { field, value: "0".to_owned(), right });
        }
        let Self { task, config, same_run, step, observer } = self;
        let workers = Workers::new(options.workers.filter(|_| task.is_deterministic()))?;
        let run = Run::new(task, config, options.device.clone(), observer, workers)?;
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
            true => dir.checkpoints.latest_good().map_err(LabError::NoneGood)?,
            false => None,
        };
        let Some(latest) = latest else {
            let run = match &options.prefix {
                Some(prefix) => prefix.begin(run, &dir, options, same_run)?,
                None => run,
            };
            return Cycle::of(run, step)?.train(options, &dir);
        };
        for damage in &latest.stepped_over {
            options.say(&format!("stepped over: {}", chain(damage)));
        }
        let saved = latest.set.state("config").map_err(LabError::NoneGood)?;
        if !same_run(run.config(), &saved) {
            return Err(LabError::OtherSet { set: latest.set.path().to_owned() });
        }
        let run = run.restore(&latest.set).map_err(LabError::Restore)?;
        let step_count = run.apollo.step_count();
        if run.left() == 0 && dir.file(SUMMARY).exists() {
            options.say(&format!("the run in {} is finished", options.folder.display()));
            return Ok(End::Finished);
        }
        options.say(&format!("resumed before step {step_count}"));
        Cycle::of(run, step)?.train(options, &dir)
    }
}
