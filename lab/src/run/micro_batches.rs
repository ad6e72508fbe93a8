//! The gradients of a step's micro-batches, one after the other or side by side.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{LabError, Result};
use crate::task::Task;

/// The loss of a micro-batch, `[1]`, as its part of the step's, and its gradients.
pub type Gradients = (Tensor<1>, GradientsParams);

/// One micro-batch of a step, as the maker of its gradients sees it.
#[derive(Debug)]
pub struct MicroStep<'a, T> {
    task: &'a T,
    number: u64,
    accumulate: usize,
    recorded: Vec<(String, f64)>,
}

impl<T: Task> MicroStep<'_, T> {
    /// The micro-batch's number in the run, of which its data are a function.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The loss of `model` on a batch, as its part of the step's, and its gradients.
    pub fn backward(&self, model: &T::Model, batch: T::Batch) -> Gradients {
        let loss = self.task.loss(model, batch).div_scalar(self.accumulate as f64);
        (loss.clone().detach(), GradientsParams::from_grads(loss.backward(), model))
    }

    /// Records a number for the growth policy, under a name that it knows. A branch has no policy.
    pub fn record(&mut self, name: impl Into<String>, value: f64) {
        self.recorded.push((name.into(), value));
    }
}

/// A micro-batch before its gradients are known.
pub(crate) struct MicroBatch<T: Task> {
    pub number: u64,
    pub model: T::Model,
    pub batch: T::Batch,
}

/// A micro-batch with its gradients.
pub(crate) struct Computed<M> {
    pub number: u64,
    pub model: M,
    pub gradients: Gradients,
    pub recorded: Vec<(String, f64)>,
}

/// Makes the gradients of a micro-batch, in the place of the task's loss.
pub(crate) type GradientFn<'a, T> =
    dyn FnMut(&mut MicroStep<T>, &<T as Task>::Model, <T as Task>::Batch) -> Result<Gradients> + 'a;

/// Micro-batches that are computed at the same time, each by one thread.
pub(crate) struct Workers {
    pools: Vec<ThreadPool>,
}

impl Workers {
    /// `count` of them; if none is given, one micro-batch follows the other, on all threads that the device has.
    pub fn new(count: Option<NonZeroUsize>) -> Result<Self> {
        let pools = (0..count.map_or(0, NonZeroUsize::get))
            .map(|_| ThreadPoolBuilder::new().num_threads(1).build().map_err(LabError::failed));
        Ok(Self { pools: pools.collect::<Result<_>>()? })
    }

    /// How many micro-batches are wanted at once.
    pub fn at_once(&self) -> usize {
        self.pools.len().max(1)
    }

    /// The gradients of some micro-batches of a step of `accumulate` of them, in their order; by a function of the run's own
    /// one after the other.
    pub fn gradients<T: Task>(
        &self,
        task: &T,
        accumulate: usize,
        batches: Vec<MicroBatch<T>>,
        own: Option<&mut GradientFn<'_, T>>,
    ) -> Result<Vec<Computed<T::Model>>> {
        let mut loss =
            |step: &mut MicroStep<T>, model: &T::Model, batch| Ok(step.backward(model, batch));
        let gradients: &mut GradientFn<'_, T> = match own {
            None if !self.pools.is_empty() => return self.side_by_side(task, accumulate, batches),
            None => &mut loss,
            Some(own) => own,
        };
        batches.into_iter().map(|of| of.compute(task, accumulate, &mut *gradients)).collect()
    }

    /// Every micro-batch has a thread to itself, so that its bits do not depend on how many there are.
    fn side_by_side<T: Task>(
        &self,
        task: &T,
        accumulate: usize,
        batches: Vec<MicroBatch<T>>,
    ) -> Result<Vec<Computed<T::Model>>> {
        let loss = |of: MicroBatch<T>| {
            // Burn joins graphs with a parameter in common, and goes back through one at a time.
            let of = MicroBatch { model: fork(of.model), ..of };
            of.compute(task, accumulate, |step, m, b| Ok(step.backward(m, b)))
        };
        thread::scope(|scope| {
            let running: Vec<_> = batches
                .into_iter()
                .zip(&self.pools)
                .map(|(of, pool)| scope.spawn(move || pool.install(|| loss(of))))
                .collect();
            let ended = running.into_iter().map(|thread| thread.join());
            ended.map(|computed| computed.unwrap_or_else(|panic| resume_unwind(panic))).collect()
        })
    }
}

/// The same parameters, each the root of graphs of its own.
fn fork<M: Module>(model: M) -> M {
    match model.devices().pop() {
        Some(device) => model.fork(&device),
        None => model,
    }
}

impl<T: Task> MicroBatch<T> {
    fn compute(
        self,
        task: &T,
        accumulate: usize,
        mut gradients: impl FnMut(&mut MicroStep<T>, &T::Model, T::Batch) -> Result<Gradients>,
    ) -> Result<Computed<T::Model>> {
        let Self { number, model, batch } = self;
        let mut step = MicroStep { task, number, accumulate, recorded: Vec::new() };
        let gradients = gradients(&mut step, &model, batch)?;
        Ok(Computed { number, model, gradients, recorded: step.recorded })
    }
}
