use core::fmt;
use std::sync::{Arc, OnceLock};

use burn::module::{Devices, DisplaySettings, Module, ModuleDisplay, ModuleMapper, ModuleVisitor};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Device;
use burn::train::train::WorkerFailure;
use burn::train::{InferenceStep, Interrupter, TrainOutput, TrainStep, TrainingError};

use super::LossRecorder;
use super::micro_batch::MicroBatches;
use super::monitor::{Monitor, StepInfo};
use crate::apollo::{Apollo, ApolloError, Gradients, GrowthReport, SavedProgress};
use crate::depth::DrawPer;
use crate::stack::Growable;
use crate::wire::Pack;

/// An [`Apollo`] as burn-train's `Learner` wants its model.
///
/// Its record holds the model's parameters under the model's own paths, and the run's progress under `apollo.progress`:
/// burn-train's own checkpoint of any stage loads into a freshly built `Trainable` of the same plan, which then stands at
/// the right step and stage. The record does not hold the plan: another seed, sampler or expander loads too and goes on by
/// its own rules; a [`checkpoint`](crate::checkpoint) set holds it.
///
/// Gradients that are not finite are taken as they are, as Burn does it, unless
/// [`with_non_finite_gradients`](Apollo::with_non_finite_gradients) says otherwise: to look at them, the host has to wait for
/// the device at every step, which burn-train's loop otherwise does not. A run that they spoil ends at its next
/// [set](super::SetCheckpointers), which is refused, with the last good one in place.
///
/// A step that fails (a growth, a learning rate or gradients that are not finite) stops the training through its
/// interrupter and leaves the model as the step left it; no further step changes it.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// # use burn::data::{dataloader::DataLoaderBuilder, dataset::InMemDataset, dataloader::batcher::Batcher};
/// # use burn::train::{InferenceStep, RegressionOutput, TrainOutput, TrainStep};
/// # use burn::optim::AdamWConfig;
/// # use burn_apollo::{growable, stack::LayerStack};
/// use burn::train::{Learner, SupervisedTraining};
/// use burn_apollo::{Apollo, Plan, train::Trainable};
/// # #[derive(Module, Debug)]
/// # struct Mlp { blocks: LayerStack<Linear> }
/// # growable!(Mlp { blocks });
/// # impl Mlp {
/// #     fn output(&self, x: Tensor<2>) -> RegressionOutput {
/// #         let y = self.blocks.iter().fold(x.clone(), |x, block| x.clone() + block.forward(x).tanh());
/// #         RegressionOutput::new((y.clone() - x.clone()).powi_scalar(2).mean(), y, x)
/// #     }
/// # }
/// # impl TrainStep for Mlp {
/// #     type Input = Tensor<2>;
/// #     type Output = RegressionOutput;
/// #     fn step(&self, x: Tensor<2>) -> TrainOutput<RegressionOutput> {
/// #         let output = self.output(x);
/// #         TrainOutput::new(self, output.loss.backward(), output)
/// #     }
/// # }
/// # impl InferenceStep for Mlp {
/// #     type Input = Tensor<2>;
/// #     type Output = RegressionOutput;
/// #     fn step(&self, x: Tensor<2>) -> RegressionOutput { self.output(x) }
/// # }
/// # struct Rows;
/// # impl Batcher<f32, Tensor<2>> for Rows {
/// #     fn batch(&self, items: Vec<f32>, device: &Device) -> Tensor<2> {
/// #         Tensor::<1>::from_floats(items.as_slice(), device).reshape([items.len(), 1]).repeat_dim(1, 8)
/// #     }
/// # }
/// # let loader = || DataLoaderBuilder::new(Rows).batch_size(2).build(InMemDataset::new(vec![0.1_f32, 0.2, 0.3, 0.4]));
/// # let device = Device::default().autodiff();
/// # let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
/// # let dir = tempfile::tempdir()?;
/// // 10 epochs of 2 batches.
/// let plan = Plan::new(20);
/// let scheduler = plan.lr.scheduler(1e-3, plan.steps)?;
/// let training = SupervisedTraining::new(dir.path(), loader(), loader()).num_epochs(10);
/// # let training = training.with_application_logger(None);
/// let model = Trainable::new(Apollo::new(mlp, plan)?, training.interrupter());
/// let result = training.launch(Learner::new(model, AdamWConfig::new().init(), scheduler));
/// let mlp = result.model.into_apollo()?.into_inner()?;
/// # assert_eq!(mlp.blocks.depth(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Trainable<M> {
    apollo: Apollo<M>,
    interrupter: Interrupter,
    /// The first error; clones share it.
    failure: Arc<OnceLock<Arc<ApolloError>>>,
    losses: LossRecorder,
    micro_batches: MicroBatches,
    pub(super) monitor: Monitor,
    on_growth: Option<Observer>,
}

type Observer = Arc<dyn Fn(&GrowthReport) + Send + Sync>;

impl<M: Growable> Trainable<M> {
    /// For a training with this interrupter (`SupervisedTraining::interrupter`).
    pub fn new(apollo: Apollo<M>, interrupter: Interrupter) -> Self {
        let (failure, losses, micro_batches, monitor) = Default::default();
        Self { apollo, interrupter, failure, losses, micro_batches, monitor, on_growth: None }
    }

    /// What the model records through `losses`, a clone of which it holds, from now on is for this run's growth policy.
    pub fn with_losses(self, losses: &LossRecorder) -> Self {
        drop(losses.take());
        Self { losses: losses.clone(), ..self }
    }

    /// Calls `observer` with the report of every growth; with distributed data parallel, every worker calls it.
    pub fn on_growth(self, observer: impl Fn(&GrowthReport) + Send + Sync + 'static) -> Self {
        Self { on_growth: Some(Arc::new(observer)), ..self }
    }

    /// The run.
    pub fn apollo(&self) -> &Apollo<M> {
        &self.apollo
    }

    /// The run, to go on with it by hand or to take the model out of it.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Failed`] with the first error of the training, if there was one.
    pub fn into_apollo(self) -> Result<Apollo<M>, ApolloError> {
        match self.failure.get() {
            Some(error) => Err(ApolloError::Failed(error.clone())),
            None => Ok(self.apollo),
        }
    }

    /// The run as the first error of the training left it, if there was one.
    pub fn into_failed_apollo(self) -> Apollo<M> {
        self.apollo
    }

    fn with_model(self, device: Device, change: impl FnOnce(M) -> M) -> Self {
        Self { apollo: self.apollo.with_model(device, change), ..self }
    }

    /// Stops the training; the first error counts.
    fn fail(&self, error: ApolloError) {
        let error = self.failure.get_or_init(|| Arc::new(error));
        // burn-train's error has no variant for a model's own errors; a worker's failure takes a message.
        let failure = WorkerFailure { device_id: 0, message: chain(error.as_ref()) };
        self.interrupter.fail(TrainingError::Workers(vec![failure]));
    }

    /// A step of the run, which `step` takes.
    fn stepped<G: Gradients>(
        mut self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: G,
        step: impl FnOnce(M, &mut ModuleOptimizer, ModuleLearningRate, G) -> M,
    ) -> Self {
        if self.failure.get().is_some() {
            return self;
        }
        for (name, value) in self.losses.take() {
            self.apollo.record(name, value);
        }
        match self.apollo.step(optim, lr, grads, step) {
            Ok(report) => {
                if let (Some(observer), Some(growth)) = (&self.on_growth, &report.growth) {
                    observer(growth);
                }
            }
            Err(error) => self.fail(error),
        }
        self
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

impl<M: Growable + TrainStep> TrainStep for Trainable<M> {
    type Input = M::Input;
    type Output = M::Output;

    fn step(&self, item: M::Input) -> TrainOutput<M::Output> {
        let apollo = &self.apollo;
        let index = self.micro_batches.next(apollo.device(), apollo.step_count());
        apollo.seed_micro_batch(index);
        let drawn = (apollo.plan().draw_per == DrawPer::MicroBatch).then(|| apollo.drawn(index));
        self.monitor.log(StepInfo {
            unique_layers: apollo.unique_layers(),
            depth: drawn.as_deref().unwrap_or(apollo.depths()).iter().sum(),
            lr_factor: apollo.lr_factor(),
        });
        match drawn.map(|depths| apollo.training_at(&depths)) {
            Some(Ok(model)) => return model.step(item),
            // The step cannot be left out, so it runs at another depth, and is the last.
            Some(Err(error)) => self.fail(error),
            None => {}
        }
        apollo.model().step(item)
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.stepped(optim, lr, grads, M::optimize)
    }

    fn optimize_multi(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: MultiGradientsParams,
    ) -> Self {
        self.stepped(optim, lr, grads, M::optimize_multi)
    }
}

impl<M: Growable + InferenceStep> InferenceStep for Trainable<M> {
    type Input = M::Input;
    type Output = M::Output;

    fn step(&self, item: M::Input) -> M::Output {
        self.apollo.model().step(item)
    }
}

impl<M: Growable> Module for Trainable<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.apollo.model().collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        self.with_model(device.clone(), |model| model.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.with_model(device.clone(), |model| model.to_device(device))
    }

    fn train(self) -> Self {
        let device = self.apollo.device().clone().autodiff();
        self.with_model(device, Module::train)
    }

    fn valid(&self) -> Self {
        let device = self.apollo.device().clone().inner();
        self.clone().with_model(device, |model| model.valid())
    }

    fn materialize(self) -> Self {
        let device = self.apollo.device().clone();
        self.with_model(device, Module::materialize)
    }

    /// The model's parameters: the progress is in the record alone.
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.apollo.model().visit(visitor);
    }

    fn map<T: ModuleMapper>(self, mapper: &mut T) -> Self {
        let device = self.apollo.device().clone();
        self.with_model(device, |model| model.map(mapper))
    }

    /// The model's parameters under its own paths, and the progress.
    fn into_record(self) -> ModuleRecord {
        self.apollo.keep_unrecorded(self.losses.waiting());
        match self.apollo.module() {
            Ok(module) => module.into_record(),
            Err(error) => {
                self.fail(error);
                self.apollo.model().clone().into_record()
            }
        }
    }

    /// Loads the record of any stage: the progress first, then the layers of its stage, then the parameters.
    fn try_load_record(self, record: ModuleRecord) -> Result<Self, RecordError> {
        let invalid = RecordError::Validation;
        let bytes = record.clone().into_bytes()?.shared();
        let words = Pack::read(&bytes).and_then(|pack| pack.progress_words()).map_err(invalid)?;
        let saved = SavedProgress::same_plan(words);
        let (step, waiting) = (self.apollo.step_count(), self.apollo.measurements().to_vec());
        let loaded = self.apollo.loaded(saved, record, |_| Ok(()), ApolloError::Other);
        let mut apollo = loaded.map_err(|e| invalid(chain(&e)))?;
        if apollo.step_count() == step {
            // The record is that of the set which was loaded before: it says nothing of them.
            apollo.set_measurements(waiting);
        }
        Ok(Self { apollo, micro_batches: MicroBatches::default(), ..self })
    }
}

/// What burn-train prints of its model.
impl<M: Growable + ModuleDisplay> fmt::Display for Trainable<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, stage) = (self.apollo.step_count(), self.apollo.stage());
        let model = self.apollo.model().format(DisplaySettings::default());
        write!(f, "at step {step}, in stage {stage}: {model}")
    }
}

impl<M: fmt::Debug> fmt::Debug for Trainable<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainable").field("apollo", &self.apollo).finish_non_exhaustive()
    }
}
