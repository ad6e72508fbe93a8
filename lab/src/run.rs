//! A run as it goes: a model in training, and its steps.

use std::rc::Rc;

use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::{CheckpointError, CheckpointSet};
use burn_apollo::schedule::{LossFeed, LossPoint};
use burn_apollo::stack::Growable;
use burn_apollo::{Apollo, InferenceDepth};
use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::error::{LabError, Result};
use crate::observer::Observer;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::rate::scheduler;
use crate::results::Row;
use crate::task::{Score, Task};

/// A run between two steps, as a [`Step`](crate::Step) of one's own gets it.
pub struct Run<T: Task, C, P> {
    /// What is trained.
    pub task: Rc<T>,
    /// What the run is a function of.
    pub config: RunConfig<C, P>,
    /// Where it computes.
    pub device: Device,
    /// The model with its plan.
    pub apollo: Apollo<T::Model>,
    /// The optimizer.
    pub optim: ModuleOptimizer,
    /// The learning rate.
    pub scheduler: ModuleLrScheduler,
    /// What the growth policy hears.
    pub losses: LossFeed,
    /// Layers of the full model, stack by stack.
    pub(crate) targets: Vec<usize>,
    pub(crate) state: LoopState,
    /// Steps whose loss is not read yet.
    pub(crate) waiting: Vec<(Row, Tensor<1>)>,
    /// The latest loss that was read.
    pub(crate) shown_loss: Option<f64>,
    pub(crate) observer: Rc<dyn Observer>,
}

/// What the loop itself counts: its part of a checkpoint.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoopState {
    /// Steps whose data was left out after roll-backs: step `s` takes the micro-batches of step `s + skipped`.
    pub skipped: u64,
    /// Losses that were read, but not told to the growth policy yet.
    pub untold: Vec<LossPoint>,
    /// Layers run forward and backward so far, each use on each micro-batch, in branches that came to nothing too.
    pub layer_passes: u64,
}

/// A part of a step's data.
#[derive(Debug, Clone)]
pub struct MicroBatch<B> {
    /// Its number in the run, of which it is a function.
    pub number: u64,
    /// What the task made of it.
    pub data: B,
}

/// The loss of a micro-batch, `[1]`, as its part of the step's, and its gradients.
pub type Gradients = (Tensor<1>, GradientsParams);

impl<T: Task, C: Clone, P: Plan> Run<T, C, P> {
    pub(crate) fn new(
        task: T,
        config: RunConfig<C, P>,
        device: Device,
        observer: Rc<dyn Observer>,
    ) -> Result<Self> {
        config.check()?;
        let losses = LossFeed::default();
        let plan = config.plan.apollo(config.steps, config.seed, losses.clone())?;
        let plan = plan.with_not_finite(config.not_finite.into());
        device.seed(config.seed);
        let mut model = task.model(&device.clone().autodiff())?;
        let targets = model.stacks().iter().map(|stack| stack.unique_layers()).collect();
        let apollo = Apollo::new(model, plan).map_err(LabError::Plan)?;
        let min_lr = config.optimizer.min_lr(config.lr);
        Ok(Self {
            scheduler: scheduler(config.lr, min_lr, config.steps)?,
            optim: config.optimizer.build(),
            task: Rc::new(task),
            config,
            device,
            apollo,
            losses,
            targets,
            state: LoopState::default(),
            waiting: Vec::new(),
            shown_loss: None,
            observer,
        })
    }

    /// Takes up the run where a checkpoint left it.
    pub(crate) fn restore(self, set: &CheckpointSet) -> Result<Self, CheckpointError> {
        let state = set.state("loop")?;
        let (apollo, optim, scheduler) = set.load(self.apollo, self.optim, self.scheduler)?;
        Ok(Self { apollo, optim, scheduler, state, waiting: Vec::new(), ..self })
    }

    /// Steps that are left.
    pub fn left(&self) -> u64 {
        self.config.steps - self.apollo.step_count()
    }

    /// One optimizer step, over all of its micro-batches.
    ///
    /// # Errors
    ///
    /// Of the task, and a depth that cannot be run at.
    pub fn step(self, progress: &mut Progress) -> Result<Self> {
        self.step_with(progress, |run, model, batch| Ok(run.backward(model, batch)))
    }

    /// [`step`](Self::step) with gradients that `gradients` makes of the model and each micro-batch.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and those of `gradients`.
    pub fn step_with(
        mut self,
        progress: &mut Progress,
        gradients: impl Fn(&Self, &T::Model, MicroBatch<T::Batch>) -> Result<Gradients>,
    ) -> Result<Self> {
        let (step, parts) = (self.apollo.step_count(), self.config.accumulate as u64);
        let lr = self.scheduler.step();
        let mut row = Row {
            step,
            stage: self.apollo.stage(),
            unique_layers: self.apollo.unique_layers(),
            virtual_depth: self.apollo.depth(),
            lr: lr.base() * self.apollo.lr_factor(),
            train_loss: f64::NAN,
            items: 0,
        };
        progress.step(&row, self.shown_loss);
        let (mut grads, mut losses) = (GradientsAccumulator::new(), Vec::new());
        for part in 0..parts {
            let number = (step + self.state.skipped) * parts + part;
            let data = self.task.batch(number, &self.device.clone().autodiff())?;
            row.items += self.task.items(&data);
            let mut model = self.apollo.micro_batch(part).map_err(LabError::Step)?;
            self.state.layer_passes += depth(&mut model);
            let (loss, part_grads) = gradients(&self, &model, MicroBatch { number, data })?;
            losses.push(loss);
            grads.accumulate(&model, part_grads);
            self.observer.micro_batch(number);
        }
        progress.count(&row);
        self.apollo = self.apollo.optimize(&mut self.optim, lr, grads.grads());
        if let Ok(Some(growth)) = self.apollo.growth() {
            progress.line(&growth.to_string());
            self.observer.growth(&growth);
        }
        if let Some(reason) = self.apollo.skipped() {
            progress.line(&format!("skipped: {reason}"));
        }
        self.waiting.push((row, Tensor::cat(losses, 0).sum()));
        Ok(self)
    }

    /// The loss of `model` on a micro-batch, as its part of the step's, and its gradients.
    pub fn backward(&self, model: &T::Model, batch: MicroBatch<T::Batch>) -> Gradients {
        let loss = self.task.loss(model, batch.data).div_scalar(self.config.accumulate as f64);
        (loss.clone().detach(), GradientsParams::from_grads(loss.backward(), model))
    }

    /// The model on data that it is not trained on, with its depth, as many layers as it runs.
    ///
    /// # Errors
    ///
    /// Of the task, and a depth that cannot be run at.
    pub fn score(&self, depth_of: InferenceDepth) -> Result<(Score, usize)> {
        let mut model = self.apollo.at_depth(depth_of).map_err(LabError::Step)?;
        let depth = depth(&mut model) as usize;
        Ok((self.task.validate(&model, &self.device)?, depth))
    }

    /// A branch that can be trained without a trace in this run.
    pub fn branch(&self) -> Self {
        Self {
            task: self.task.clone(),
            config: self.config.clone(),
            device: self.device.clone(),
            apollo: self.apollo.branch(),
            optim: self.optim.clone(),
            scheduler: self.scheduler.clone(),
            losses: self.losses.clone(),
            targets: self.targets.clone(),
            state: LoopState { layer_passes: 0, ..self.state.clone() },
            waiting: Vec::new(),
            shown_loss: self.shown_loss,
            observer: self.observer.clone(),
        }
    }

    /// Counts the layer passes of a branch, adopted or not, as this run's.
    pub fn charge(&mut self, branch: &Self) {
        self.state.layer_passes += branch.state.layer_passes;
    }

    /// Goes on as `branch` does.
    ///
    /// # Errors
    ///
    /// What is no branch of this run.
    pub fn adopt(mut self, branch: Self) -> Result<Self> {
        self.apollo.adopt(branch.apollo).map_err(LabError::Step)?;
        self.waiting.extend(branch.waiting);
        Ok(Self { optim: branch.optim, scheduler: branch.scheduler, ..self })
    }
}

/// How many layers a model runs.
fn depth(model: &mut impl Growable) -> u64 {
    model.stacks().iter().map(|stack| stack.order().len() as u64).sum()
}
