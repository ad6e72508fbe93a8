//! A run as it goes: a model in training.

use std::cell::RefCell;
use std::rc::Rc;

use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::{CheckpointError, CheckpointSet};
use burn_apollo::cost::Meter;
use burn_apollo::plan::Plan;
use burn_apollo::policy::Measurement;
use burn_apollo::{Apollo, InferenceDepth, StepReport};
use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::error::{LabError, Result};
use crate::micro_batches::{Gradients, How, MicroStep, Workers};
use crate::observer::Observer;
use crate::progress::Progress;
use crate::results::Row;
use crate::step::{Shared, Spent, Taken, depth, take};
use crate::task::{Score, Task};

/// A run between two steps, as a [`Step`] of one's own gets it.
pub struct Run<T: Task, C> {
    pub(crate) shared: Shared<T, C>,
    /// The model with its plan.
    pub apollo: Apollo<T::Model>,
    pub(crate) optim: ModuleOptimizer,
    pub(crate) scheduler: ModuleLrScheduler,
    pub(crate) state: LoopState,
    /// Steps whose loss is not read yet.
    pub(crate) waiting: Vec<(Row, Tensor<1>)>,
    /// The latest loss that was read.
    pub(crate) shown_loss: Option<f64>,
    /// What branches spent and `state` does not count yet.
    pub(crate) tried: Rc<RefCell<Spent>>,
}

/// A step of a run, which may be several optimizer steps: [`Run::step`], or one's own.
pub type Step<T, C> = fn(&mut Run<T, C>, &mut Progress) -> Result<()>;

/// What the loop itself counts: its part of a checkpoint.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoopState {
    /// Steps whose data was left out after roll-backs: step `s` takes the micro-batches of step `s + skipped`.
    pub skipped: u64,
    /// Losses that were read, but not recorded for the growth policy yet.
    pub losses: Vec<Measurement>,
    /// Layers run forward and backward so far, each use on each micro-batch, in branches that came to nothing too.
    pub layer_passes: u64,
    /// Operations of these layers, and of all else on their way.
    #[serde(default)]
    pub meter: Meter,
    /// Seconds that steps took, over all processes of the run.
    #[serde(default)]
    pub seconds: f64,
    /// Seconds of processor time that steps took, over all threads and processes of the run.
    #[serde(default)]
    pub cpu_seconds: f64,
    /// Steps taken over from another run.
    #[serde(default)]
    pub shared_steps: u64,
}

impl LoopState {
    /// Counts what a step spent.
    pub(crate) fn count(&mut self, spent: &Spent) {
        self.layer_passes += spent.layer_passes;
        self.meter.add(&spent.meter);
        self.seconds += spent.seconds;
        self.cpu_seconds += spent.cpu_seconds;
    }
}

impl<T: Task, C> Run<T, C> {
    pub(crate) fn new(
        task: T,
        config: RunConfig<C>,
        device: Device,
        observer: Rc<dyn Observer>,
        workers: Workers,
    ) -> Result<Self> {
        config.check()?;
        let plan = config.plan.clone();
        device.seed(plan.seed);
        let model = task.model(&device.clone().autodiff())?;
        let cost = task.cost(&model);
        let apollo = Apollo::new(model, plan).map_err(LabError::Plan)?;
        let plan = apollo.plan();
        let scheduler = plan.lr.scheduler(config.lr, plan.steps).map_err(LabError::usage)?;
        let apollo = apollo.with_non_finite_gradients(config.not_finite.into());
        let optim = config.optimizer.build();
        let (task, config) = (Rc::new(task), Rc::new(config));
        Ok(Self {
            shared: Shared {
                task,
                config,
                device,
                observer,
                cost: Rc::new(cost),
                workers: Rc::new(workers),
            },
            apollo,
            optim,
            scheduler,
            state: LoopState::default(),
            waiting: Vec::new(),
            shown_loss: None,
            tried: Rc::default(),
        })
    }

    /// Takes up the run where a checkpoint left it.
    pub(crate) fn restore(self, set: &CheckpointSet) -> Result<Self, CheckpointError> {
        let state = set.state("loop")?;
        let (apollo, optim, scheduler) = set.load(self.apollo, self.optim, self.scheduler)?;
        Ok(Self { apollo, optim, scheduler, state, waiting: Vec::new(), ..self })
    }

    /// Begins the run as one by the plan `other` did, which wrote the checkpoint.
    pub(crate) fn begin_with(self, set: &CheckpointSet, other: &Plan) -> Result<Self> {
        let others = other.lr.scheduler(self.config().lr, other.steps).map_err(LabError::usage)?;
        let state: LoopState = set.state("loop").map_err(LabError::Restore)?;
        let loaded = set.clone().allow_other_plan().load(self.apollo, self.optim, others);
        let (apollo, optim, _) = loaded.map_err(LabError::Restore)?;
        // The other's scheduler is of another length: this run's own comes to the same step.
        let mut scheduler = self.scheduler;
        (0..set.step()).for_each(|_| drop(scheduler.step()));
        let state = LoopState { shared_steps: set.step(), ..state };
        Ok(Self { apollo, optim, scheduler, state, ..self })
    }

    /// What the run is a function of.
    pub fn config(&self) -> &RunConfig<C> {
        &self.shared.config
    }

    /// What is trained.
    pub fn task(&self) -> &T {
        &self.shared.task
    }

    /// Steps that are left.
    pub fn left(&self) -> u64 {
        self.apollo.total_steps() - self.apollo.step_count()
    }

    /// One optimizer step, over all of its micro-batches.
    ///
    /// # Errors
    ///
    /// Of the task, and of the step: see [`Apollo::update`].
    pub fn step(&mut self, progress: &mut Progress) -> Result<StepReport> {
        self.take(progress, How::Loss)
    }

    /// [`step`](Self::step) with gradients that `gradients` makes of the model and each micro-batch, one after the other.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and those of `gradients`.
    pub fn step_with(
        &mut self,
        progress: &mut Progress,
        mut gradients: impl FnMut(&mut MicroStep<T>, &T::Model, T::Batch) -> Result<Gradients>,
    ) -> Result<StepReport> {
        self.take(progress, How::Own(&mut gradients))
    }

    fn take(&mut self, progress: &mut Progress, how: How<'_, T>) -> Result<StepReport> {
        let Taken { row, loss, spent, report } = take(
            &self.shared,
            &mut self.apollo,
            (&mut self.optim, &mut self.scheduler),
            self.state.skipped,
            (progress, self.shown_loss),
            how,
        )?;
        self.state.count(&spent);
        self.count_tried();
        self.waiting.push((row, loss));
        Ok(report)
    }

    /// The model on data that it is not trained on, with its depth, as many layers as it runs.
    ///
    /// # Errors
    ///
    /// Of the task, and a depth that cannot be run at.
    pub fn score(&self, depth_of: InferenceDepth) -> Result<(Score, usize)> {
        let model = self.apollo.at_depth(depth_of).map_err(LabError::Step)?;
        let score = self.shared.task.validate(&model, &self.shared.device)?;
        Ok((score, depth(&model) as usize))
    }
}
