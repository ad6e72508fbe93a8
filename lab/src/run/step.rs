//! An optimizer step, of a run or of a branch that it tries out.

use std::cell::RefCell;
use std::time::Instant;

use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{GradientsAccumulator, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_apollo::branch::Role;
use burn_apollo::cost::{Meter, ModelCost};
use burn_apollo::stack::Growable;
use burn_apollo::{Apollo, apollo::StepReport};
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
    /// What branches spent and the run has not counted yet.
    pub tried: RefCell<Spent>,
}

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

/// Takes the next step of a run or a branch, over all of its micro-batches, with the data of `skipped` steps left out and by
/// the gradients of `own`, where it is given; `record` is for the numbers that these record.
pub(crate) fn take<T: Task, C, R: Role>(
    shared: &Shared<T, C>,
    apollo: &mut Apollo<T::Model, R>,
    (optim, scheduler): (&mut ModuleOptimizer, &mut ModuleLrScheduler),
    skipped: u64,
    mut own: Option<&mut GradientFn<'_, T>>,
    mut record: impl FnMut(&mut Apollo<T::Model, R>, String, f64),
) -> Result<StepOutcome> {
    let Shared { task, config, device, observers, cost, workers, .. } = shared;
    let (began, cpu_began, mut spent) = (Instant::now(), ProcessTime::now(), Spent::default());
    let (lr, parts) = (scheduler.step(), config.accumulate as u64);
    let mut row = Row {
        step: apollo.step_count(),
        stage: apollo.stage(),
        unique_layers: apollo.unique_layers(),
        virtual_depth: apollo.depth(),
        lr: lr.base() * apollo.lr_factor(),
        train_loss: f64::NAN,
        items: 0,
    };
    observers.see(|observer| observer.before_step(&row))?;
    let (mut grads, mut losses) = (GradientsAccumulator::new(), Vec::new());
    let at_once = if own.is_some() { 1 } else { workers.at_once() };
    let mut batches = Vec::new();
    for part in 0..parts {
        let number = (row.step + skipped) * parts + part;
        let batch = task.batch(number, &device.clone().autodiff())?;
        let items = task.items(&batch);
        row.items += items;
        let model = apollo.micro_batch(part).map_err(LabError::Step)?;
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
                record(apollo, name, value);
            }
            let (loss, part_grads) = computed.gradients;
            losses.push(loss);
            grads.accumulate(&computed.model, part_grads);
            observers.see(|observer| observer.micro_batch(computed.number))?;
        }
    }
    let grads = config.optimizer.clipped(grads.grads(), apollo.model());
    let report = apollo.update(optim, lr, grads).map_err(LabError::Step)?;
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
