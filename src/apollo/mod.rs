//! [`Apollo`]: a model together with its plan for growing.

mod branch;
mod check;
mod config;
mod depths;
mod description;
mod error;
mod growth;
mod inference;
mod learning_rate;
#[cfg(feature = "train")]
mod micro_batch;
mod module;
#[cfg(feature = "train")]
mod monitor;
mod not_finite;
mod progress;
mod record;
mod report;
mod state;
#[cfg(feature = "train")]
mod train;

pub use config::ApolloConfig;
pub use description::PlanDescription;
pub use error::ApolloError;
pub use growth::Growth;
pub use inference::InferenceDepth;
#[cfg(feature = "train")]
pub use monitor::{StepInfo, StepLog};
pub use not_finite::NotFinite;
pub use report::{GrowthReport, StackGrowth};

use core::ops::Deref;
use std::sync::Arc;

use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;

use crate::depth::DepthPmf;
use crate::expand::LayerMap;
use crate::registry::Registry;
use crate::schedule::{GrowthPolicy, Heard};
use crate::stack::Growable;
use config::Plan;
#[cfg(feature = "train")]
use micro_batch::MicroBatches;
#[cfg(feature = "train")]
use monitor::Monitor;
use progress::Progress;
pub(crate) use progress::{PROGRESS_PATH, join_halves};

/// A model that trains by progressive depth.
///
/// It wraps a [`Growable`] model and is a Burn module itself: it goes into
/// [`Learner`](https://docs.rs/burn/latest/burn/train/struct.Learner.html) or a hand-written loop in place
/// of the model. It begins with the unique layers of the first stage, runs every training step at a
/// sampled virtual depth, and grows when its policy says so, inside [`optimize`](Self::optimize).
///
/// It dereferences to the model, which stands at the depth of the next step, so `apollo.forward(x)` runs
/// there. Its record holds the model's parameters under the model's own paths, and the run's progress
/// under `apollo.progress`: a checkpoint of any stage loads into a freshly built `Apollo` of the same plan, which
/// then stands at the right step and stage. The record does not hold the plan: another seed, sampler or expander
/// loads too and goes on by its own rules; a [`checkpoint`](crate::checkpoint) set holds it. Cloning is cheap, as for
/// every Burn module.
///
/// # Example
///
/// A hand-written loop; in burn-train the two calls are made by the learner.
///
/// ```
/// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Distribution, Tensor}};
/// use burn::optim::{AdamWConfig, GradientsParams};
/// use burn_apollo::{Apollo, ApolloConfig};
/// use burn_apollo::stack::{Growable, GrowableStack, LayerStack};
///
/// #[derive(Module, Debug)]
/// struct Mlp {
///     blocks: LayerStack<Linear>,
/// }
///
/// impl Growable for Mlp {
///     fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
///         vec![&mut self.blocks]
///     }
/// }
///
/// impl Mlp {
///     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
///         self.blocks.iter().fold(x, |x, block| x.clone() + block.forward(x).tanh())
///     }
/// }
///
/// let device = Device::default().autodiff();
/// let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
/// let mut apollo = Apollo::new(mlp, ApolloConfig::new(20))?;
/// let mut optim = AdamWConfig::new().init();
///
/// for _ in 0..20 {
///     let x = Tensor::random([2, 8], Distribution::Default, &device);
///     let loss = apollo.forward(x).powi_scalar(2).mean();
///     let grads = GradientsParams::from_grads(loss.backward(), &apollo);
///     apollo = apollo.optimize(&mut optim, 1e-3, grads);
///     if let Some(growth) = apollo.growth()? {
///         println!("{growth}");
///     }
/// }
/// assert_eq!(apollo.unique_layers(), 4);
/// let mlp: Mlp = apollo.into_inner()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Apollo<M> {
    model: M,
    plan: Arc<Plan>,
    policy: Box<dyn GrowthPolicy>,
    progress: Progress,
    pmfs: Arc<[DepthPmf]>,
    depths: Vec<usize>,
    heard: Heard,
    growth: Option<Arc<GrowthReport>>,
    /// The growths of a branch that is tried out.
    branch: Option<Vec<Arc<GrowthReport>>>,
    failure: Option<Arc<ApolloError>>,
    skipped: Option<Arc<ApolloError>>,
    device: Device,
    #[cfg(feature = "train")]
    micro_batches: MicroBatches,
    #[cfg(feature = "train")]
    monitor: Monitor,
    #[cfg(feature = "train")]
    interrupter: Option<train::Stop>,
}

impl<M: Growable> Apollo<M> {
    /// Wraps `model`, whose stacks hold all `L` layers, for a run by `config`.
    ///
    /// The stacks are shortened to the first stage's layers at once, and these are initialised. Burn's layers
    /// initialise lazily, so the others never cost memory unless they were used before.
    ///
    /// # Errors
    ///
    /// [`ApolloError`] naming the field of the configuration that does not fit the model, or what of the model cannot
    /// be grown: see [`Growable`].
    pub fn new(mut model: M, config: ApolloConfig) -> Result<Self, ApolloError> {
        let device = model.devices().into_iter().next().ok_or(ApolloError::NoParameter)?;
        let (plan, policy) = Plan::new(config, &mut model)?;
        for (stack, layers) in model.stacks().into_iter().zip(plan.timeline.layers(0)) {
            stack.shorten(*layers)?;
        }
        // Weights are drawn before the first step's seed, as the user seeded the device.
        check::initialise(&model);
        plan.check_trained(&mut model)?;
        let mut apollo = Self {
            model,
            plan: Arc::new(plan),
            policy,
            progress: Progress::default(),
            pmfs: Arc::new([]),
            depths: Vec::new(),
            heard: Heard::default(),
            growth: None,
            branch: None,
            failure: None,
            skipped: None,
            device,
            #[cfg(feature = "train")]
            micro_batches: MicroBatches::default(),
            #[cfg(feature = "train")]
            monitor: Monitor::default(),
            #[cfg(feature = "train")]
            interrupter: None,
        };
        apollo.begin_stage()?;
        Ok(apollo)
    }

    /// Updates the parameters with `grads`, counts one optimizer step, grows where the policy says so,
    /// and sets the depth of the next step.
    ///
    /// A model that overrides burn-train's `TrainStep::optimize` must be trained through that trait also in a
    /// hand-written loop (`TrainStep::optimize(apollo, …)`): this method calls the optimizer itself.
    ///
    /// `lr` is the rate that the scheduler gives; the plan's [`LrAtGrowth`](crate::schedule::LrAtGrowth)
    /// is applied to it. A growth that fails leaves the model and the optimizer as the update left them:
    /// see [`growth`](Self::growth).
    pub fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: impl Into<ModuleLearningRate>,
        grads: GradientsParams,
    ) -> Self {
        let lr = self.learning_rate(lr.into());
        let bad = self.not_finite([&grads]);
        self.update(optim, bad, |model, optim| optim.step(lr, model, grads))
    }

    /// The error of gradients that are not finite, if the plan wants them looked at.
    fn not_finite<'a>(
        &self,
        grads: impl IntoIterator<Item = &'a GradientsParams>,
    ) -> Option<ApolloError> {
        if self.plan.config.not_finite == NotFinite::Ignore {
            return None;
        }
        match not_finite::not_finite(&self.model, grads) {
            Ok(None) => None,
            Ok(Some(param)) => Some(ApolloError::NotFinite { step: self.progress.step, param }),
            Err(error) => Some(error),
        }
    }

    fn update(
        self,
        optim: &mut ModuleOptimizer,
        bad: Option<ApolloError>,
        step: impl FnOnce(M, &mut ModuleOptimizer) -> M,
    ) -> Self {
        if matches!(self.failure.as_deref(), Some(ApolloError::NotFinite { .. })) {
            return self; // stopped
        }
        let mut apollo = Self { growth: None, skipped: None, ..self };
        match bad {
            None => apollo.model = step(apollo.model, optim),
            Some(error @ ApolloError::NotFinite { .. })
                if apollo.plan.config.not_finite == NotFinite::Skip =>
            {
                apollo.skipped = Some(Arc::new(error));
            }
            Some(error) => {
                apollo.fail(error);
                return apollo;
            }
        }
        apollo.progress.step += 1;
        match apollo.ask_policy() {
            Some(stage) if apollo.failure.is_none() => {
                match apollo.grow(optim, &Growth::to_stage(stage)) {
                    Ok(report) => apollo.tell_growth(report),
                    Err(error) => apollo.fail(error),
                }
            }
            _ => {}
        }
        if let Err(error) = apollo.draw_depth() {
            apollo.fail(error);
        }
        apollo
    }

    fn tell_growth(&mut self, report: Arc<GrowthReport>) {
        match (&mut self.branch, &self.plan.config.observer) {
            (Some(growths), _) => growths.push(report.clone()),
            (None, Some(observer)) => observer(&report),
            (None, None) => {}
        }
        self.growth = Some(report);
    }

    fn fail(&mut self, error: ApolloError) {
        let error = Arc::new(error);
        #[cfg(feature = "train")]
        if let Some(stop) = &self.interrupter {
            stop.fail(&error);
        }
        self.failure = Some(error);
    }

    /// The growth that the last [`optimize`](Self::optimize) made, if it made one, or the latest that
    /// [`grow_now`](Self::grow_now) made or [`adopt`](Self::adopt) brought since.
    ///
    /// # Errors
    ///
    /// The error of a growth that failed, from then on: the model then stays in its stage. The error of gradients
    /// that are not finite, with [`NotFinite::Stop`].
    pub fn growth(&self) -> Result<Option<Arc<GrowthReport>>, Arc<ApolloError>> {
        match &self.failure {
            Some(error) => Err(error.clone()),
            None => Ok(self.growth.clone()),
        }
    }

    /// Why the last [`optimize`](Self::optimize) left the parameters as they were, with [`NotFinite::Skip`].
    pub fn skipped(&self) -> Option<&ApolloError> {
        self.skipped.as_deref()
    }

    /// The plain model at full depth, with no trace of Apollo in it or in its record.
    ///
    /// Before the last stage, the missing layers are made as the remaining growths would make them.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Failed`] when a growth of the run failed, since the layers that it should have made were
    /// never trained, or when gradients that are not finite stopped it. When one of the remaining growths fails.
    pub fn into_inner(mut self) -> Result<M, ApolloError> {
        if let Some(error) = self.failure {
            return Err(ApolloError::Failed(error));
        }
        for stage in self.stage() + 1..self.plan.timeline.stages() {
            self.grow_model(&Growth::to_stage(stage), stage)?;
        }
        for stack in self.model.stacks() {
            let identity = LayerMap::identity(stack.unique_layers());
            stack.set_training_depth(&identity)?;
            stack.set_inference_depth(&identity)?;
        }
        Ok(self.model)
    }

    /// Which unique layer each virtual layer of the next step uses, and where every parameter comes from.
    pub fn registry(&self) -> Registry {
        // Naming the stacks takes the model by exclusive reference; a clone shares its parameters.
        let mut model = self.model.clone();
        let history = self.progress.history(&self.plan.timeline);
        Registry::new(&model.stacks(), &history, &self.plan.config.new_layers)
    }
}

impl<M> Deref for Apollo<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.model
    }
}
