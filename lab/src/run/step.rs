//! An optimizer step, of a run or of a branch that it tries out.

use std::time::Instant;

use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_apollo::branch::Branch;
use burn_apollo::cost::{Meter, ModelCost};
use burn_apollo::stack::Growable;
use burn_apollo::{Apollo, ApolloError, StepReport};
use cpu_time::ProcessTime;

use crate::config::RunConfig;
use crate::error::{LabError, Result};
use crate::observer::Observers;
use crate::results::Row;
use crate::run::micro_batches::{GradientFn, MicroBatch, Workers};
use crate::task::{Task, depth};

/// What a run and its branches share.
pub(crate) struct Shared<T, C> {
    pub task: T,
    pub config: RunConfig<C>,
    pub device: Device,
    pub observers: Observers,
    /// Of the full model.
    pub cost: ModelCost,
    pub workers: Workers,
}

/// What can take a step.
pub(crate) trait Position<M> {
    fn row(&self) -> Row;
    fn model(&self) -> &M;
    fn lr_factor(&self) -> f64;
    fn micro_batch(&self, index: u64) -> Result<M, ApolloError>;
    fn record(&mut self, name: String, value: f64);
    fn update(
        &mut self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Result<StepReport, ApolloError>;
}

macro_rules! position {
    ($type:ty, $record:expr) => {
        impl<M: Growable> Position<M> for $type {
            fn row(&self) -> Row {
                Row {
                    step: self.step_count(),
                    stage: self.stage(),
                    unique_layers: self.unique_layers(),
                    virtual_depth: self.depth(),
                    lr: f64::NAN,
                    train_loss: f64::NAN,
                    items: 0,
                }
            }

            fn model(&self) -> &M {
                self.model()
            }

            fn lr_factor(&self) -> f64 {
                self.lr_factor()
            }

            fn micro_batch(&self, index: u64) -> Result<M, ApolloError> {
                self.micro_batch(index)
            }

            fn record(&mut self, name: String, value: f64) {
                $record(self, name, value);
            }

            fn update(
                &mut self,
                optim: &mut ModuleOptimizer,
                lr: ModuleLearningRate,
                grads: GradientsParams,
            ) -> Result<StepReport, ApolloError> {
                self.update(optim, lr, grads)
            }
        }
    };
}

position!(Apollo<M>, |run: &mut Self, name, value| Apollo::record(run, name, value));
position!(Branch<'_, M>, |_: &mut Self, _: String, _: f64| {});

/// A step that was taken.
pub(crate) struct StepOutcome {
    pub row: Row,
    /// The step's loss, not read yet.
    pub loss: Tensor<1>,
    pub spent: Spent,
    pub report: StepReport,
}

/// What steps cost.
#[derive(Default)]
pub(crate) struct Spent {
    pub items: u64,
    /// Layers run forward and backward.
    pub layer_passes: u64,
    pub meter: Meter,
    pub seconds: f64,
    pub cpu_seconds: f64,
}

impl Spent {
    pub(crate) fn add(&mut self, other: &Self) {
        self.items += other.items;
        self.layer_passes += other.layer_passes;
        self.meter.add(&other.meter);
        self.seconds += other.seconds;
        self.cpu_seconds += other.cpu_seconds;
    }
}

/// Takes the next step at `position`, over all of its micro-batches, with the data of `skipped` steps left out and by the
/// gradients of `own`, where it is given.
pub(crate) fn take<T: Task, C, P: Position<T::Model>>(
    shared: &Shared<T, C>,
    position: &mut P,
    (optim, scheduler): (&mut ModuleOptimizer, &mut ModuleLrScheduler),
    skipped: u64,
    mut own: Option<&mut GradientFn<'_, T>>,
) -> Result<StepOutcome> {
    let Shared { task, config, device, observers, cost, workers } = shared;
    let (began, cpu_began, mut spent) = (Instant::now(), ProcessTime::now(), Spent::default());
    let (lr, parts) = (scheduler.step(), config.accumulate as u64);
    let mut row = position.row();
    row.lr = lr.base() * position.lr_factor();
    observers.see(|observer| observer.before_step(&row))?;
    let (mut grads, mut losses) = (GradientsAccumulator::new(), Vec::new());
    let at_once = if own.is_some() { 1 } else { workers.at_once() };
    let mut batches = Vec::new();
    for part in 0..parts {
        let number = (row.step + skipped) * parts + part;
        let batch = task.batch(number, &device.clone().autodiff())?;
        let items = task.items(&batch);
        row.items += items;
        let model = position.micro_batch(part).map_err(LabError::Step)?;
        spent.layer_passes += depth(&model) as u64;
        let depths: Vec<usize> = model.stacks().iter().map(|stack| stack.order().len()).collect();
        spent.meter.count(cost, &depths, items);
        batches.push(MicroBatch { number, model, batch });
        if batches.len() < at_once && part + 1 < parts {
            continue;
        }
        let batches = std::mem::take(&mut batches);
        for computed in workers.gradients(task, config.accumulate, batches, own.as_deref_mut())? {
            for (name, value) in computed.recorded {
                position.record(name, value);
            }
            let (loss, part_grads) = computed.gradients;
            losses.push(loss);
            grads.accumulate(&computed.model, part_grads);
            observers.see(|observer| observer.micro_batch(computed.number))?;
        }
    }
    let grads = config.optimizer.clipped(grads.grads(), position.model());
    let report = position.update(optim, lr, grads).map_err(LabError::Step)?;
    if let Some(growth) = &report.growth {
        observers.see(|observer| observer.growth(growth))?;
    }
    if let Some(param) = &report.skipped {
        let step = row.step;
        observers
            .message(&format!("skipped: step {step}: the gradient of `{param}` is not finite"))?;
    }
    observers.see(|observer| observer.after_step(&row))?;
    spent.items = row.items;
    spent.seconds = began.elapsed().as_secs_f64();
    spent.cpu_seconds = cpu_began.elapsed().as_secs_f64();
    Ok(StepOutcome { row, loss: Tensor::cat(losses, 0).sum(), spent, report })
}
