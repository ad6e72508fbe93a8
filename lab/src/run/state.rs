//! A run between two steps.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::{CheckpointError, CheckpointSet};
use burn_apollo::cost::Meter;
use burn_apollo::policy::Measurement;
use burn_apollo::{
    Apollo,
    apollo::{InferenceDepth, StepReport},
};
use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::error::{LabError, Result};
use crate::observer::Observers;
use crate::results::Row;
use crate::run::micro_batches::{GradientFn, Gradients, MicroStep, Workers};
use crate::run::step::{Shared, Spent, StepOutcome, take};
use crate::task::{Score, Task, depth};

/// A run between two steps, as a [`Step`] of one's own gets it.
pub struct Run<T: Task, C> {
    pub(crate) shared: Rc<Shared<T, C>>,
    /// The model with its plan.
    pub apollo: Apollo<T::Model>,
    pub(crate) optim: ModuleOptimizer,
    pub(crate) scheduler: ModuleLrScheduler,
    pub(crate) state: LoopState,
    /// Steps whose loss is not read yet.
    pub(crate) waiting: Vec<(Row, Tensor<1>)>,
    /// When the run was last taken up, and the items that its steps have seen since.
    speed: (Instant, u64),
}

/// A step of a run, which may be several optimizer steps: [`Run::step`], or one's own.
pub type Step<T, C> = fn(&mut Run<T, C>) -> Result<()>;

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
    pub meter: Meter,
    /// Seconds that steps took, over all processes of the run.
    pub seconds: f64,
    /// Seconds of processor time that steps took, over all threads and processes of the run.
    pub cpu_seconds: f64,
}

impl<T: Task, C> Run<T, C> {
    pub(crate) fn new(
        task: T,
        config: RunConfig<C>,
        device: Device,
        observers: Observers,
        workers: Workers,
    ) -> Result<Self> {
        config.check()?;
        device.seed(config.plan.seed);
        let model = task.model(&device.clone().autodiff())?;
        let cost = task.cost(&model);
        let apollo = Apollo::new(model, config.plan.clone()).map_err(LabError::Plan)?;
        let plan = apollo.plan();
        let scheduler = plan.lr.scheduler(config.lr, plan.steps).map_err(LabError::usage)?;
        Ok(Self {
            apollo: apollo.with_non_finite_gradients(config.not_finite.into()),
            optim: config.optimizer.build(),
            scheduler,
            shared: Rc::new(Shared {
                task,
                config,
                device,
                observers,
                cost,
                workers,
                tried: RefCell::default(),
            }),
            state: LoopState::default(),
            waiting: Vec::new(),
            speed: (Instant::now(), 0),
        })
    }

    /// Takes up the run where a checkpoint left it.
    pub(crate) fn restore(self, set: &CheckpointSet) -> Result<Self, CheckpointError> {
        let state = set.state("loop")?;
        let (apollo, optim, scheduler) = set.load(self.apollo, self.optim, self.scheduler)?;
        let speed = (Instant::now(), 0);
        Ok(Self { apollo, optim, scheduler, state, waiting: Vec::new(), speed, ..self })
    }

    /// Items per second, since the run was last taken up.
    pub(crate) fn items_per_second(&self) -> f64 {
        self.speed.1 as f64 / self.speed.0.elapsed().as_secs_f64().max(1e-9)
    }

    /// Counts what steps spent, and branches since this was last done.
    pub(crate) fn count(&mut self, mut spent: Spent) {
        spent.add(&self.shared.tried.take());
        self.speed.1 += spent.items;
        self.state.layer_passes += spent.layer_passes;
        self.state.meter.add(&spent.meter);
        self.state.seconds += spent.seconds;
        self.state.cpu_seconds += spent.cpu_seconds;
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

    /// Says something to the run's observers.
    ///
    /// # Errors
    ///
    /// Theirs.
    pub fn message(&self, text: &str) -> Result<()> {
        self.shared.observers.message(text)
    }

    /// One optimizer step, over all of its micro-batches.
    ///
    /// # Errors
    ///
    /// Of the task and the observers, and of the step: see [`Apollo::update`].
    pub fn step(&mut self) -> Result<StepReport> {
        self.take(None)
    }

    /// [`step`](Self::step) with gradients that `gradients` makes of the model and each micro-batch, one after the other.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and those of `gradients`.
    pub fn step_with(
        &mut self,
        mut gradients: impl FnMut(&mut MicroStep<T>, &T::Model, T::Batch) -> Result<Gradients>,
    ) -> Result<StepReport> {
        self.take(Some(&mut gradients))
    }

    fn take(&mut self, own: Option<&mut GradientFn<'_, T>>) -> Result<StepReport> {
        let optim = (&mut self.optim, &mut self.scheduler);
        let StepOutcome { row, loss, spent, report } =
            take(&self.shared, &mut self.apollo, optim, self.state.skipped, own, Apollo::record)?;
        self.count(spent);
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
        Ok((score, depth(&model)))
    }
}
