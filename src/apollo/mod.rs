//! [`Apollo`]: a model together with its plan for growing.

mod config;
mod error;
mod growth;
mod inference;
mod learning_rate;
#[cfg(feature = "train")]
mod micro_batch;
mod module;
#[cfg(feature = "train")]
mod monitor;
mod progress;
mod record;
mod report;
#[cfg(feature = "train")]
mod train;

pub use config::ApolloConfig;
pub use error::ApolloError;
pub use inference::InferenceDepth;
#[cfg(feature = "train")]
pub use monitor::{StepInfo, StepLog};
pub use report::{GrowthReport, StackGrowth};

use core::ops::Deref;
use std::sync::Arc;

use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;

use crate::depth::{DepthPmf, DrawPer, draw};
use crate::expand::{LayerMap, checked_map};
use crate::registry::Registry;
use crate::schedule::GrowthPolicy;
use crate::stack::Growable;
use config::Plan;
#[cfg(feature = "train")]
use micro_batch::MicroBatches;
#[cfg(feature = "train")]
use monitor::Monitor;
use progress::Progress;

/// A model that trains by progressive depth.
///
/// It wraps a [`Growable`] model and is a Burn module itself: it goes into
/// [`Learner`](https://docs.rs/burn/latest/burn/train/struct.Learner.html) or a hand-written loop in place
/// of the model. It begins with the unique layers of the first stage, runs every training step at a
/// sampled virtual depth, and grows when its policy says so, inside [`optimize`](Self::optimize).
///
/// It dereferences to the model, which stands at the depth of the next step, so `apollo.forward(x)` runs
/// there. Its record holds the model's parameters under the model's own paths, and the run's progress
/// under `apollo.progress`: a checkpoint of any stage loads into a freshly built `Apollo`, which then
/// stands at the right step and stage. Cloning is cheap, as for every Burn module.
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
    losses_heard: usize,
    growth: Option<Arc<GrowthReport>>,
    failure: Option<Arc<ApolloError>>,
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
    /// The stacks are shortened to the first stage's layers at once. Burn's layers initialise lazily, so
    /// the others never cost memory unless they were used before.
    ///
    /// # Errors
    ///
    /// [`ApolloError`] naming the field of the configuration that does not fit the model.
    pub fn new(mut model: M, config: ApolloConfig) -> Result<Self, ApolloError> {
        let device = model.devices().into_iter().next().ok_or(ApolloError::NoParameter)?;
        let (plan, policy) = Plan::new(config, &mut model)?;
        for (stack, layers) in model.stacks().into_iter().zip(plan.timeline.layers(0)) {
            stack.shorten(*layers)?;
        }
        let mut apollo = Self {
            model,
            plan: Arc::new(plan),
            policy,
            progress: Progress::default(),
            pmfs: Arc::new([]),
            depths: Vec::new(),
            losses_heard: 0,
            growth: None,
            failure: None,
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
        self.update(optim, |model, optim| optim.step(lr, model, grads))
    }

    fn update(
        self,
        optim: &mut ModuleOptimizer,
        step: impl FnOnce(M, &mut ModuleOptimizer) -> M,
    ) -> Self {
        let mut apollo = Self { model: step(self.model, optim), growth: None, ..self };
        apollo.progress.step += 1;
        if let Err(error) = apollo.pass_to_next_step(optim) {
            apollo.fail(error);
        }
        apollo
    }

    fn pass_to_next_step(&mut self, optim: &mut ModuleOptimizer) -> Result<(), ApolloError> {
        if self.failure.is_none() && self.should_grow() {
            let report = Arc::new(self.grow(optim)?);
            if let Some(observer) = &self.plan.config.observer {
                observer(&report);
            }
            self.growth = Some(report);
        }
        self.draw_depth()
    }

    fn fail(&mut self, error: ApolloError) {
        let error = Arc::new(error);
        #[cfg(feature = "train")]
        if let Some(stop) = &self.interrupter {
            stop.fail(&error);
        }
        self.failure = Some(error);
    }

    /// The growth that the last [`optimize`](Self::optimize) made, if it made one.
    ///
    /// # Errors
    ///
    /// The error of a growth that failed, from then on: the model then stays in its stage.
    pub fn growth(&self) -> Result<Option<Arc<GrowthReport>>, Arc<ApolloError>> {
        match &self.failure {
            Some(error) => Err(error.clone()),
            None => Ok(self.growth.clone()),
        }
    }

    /// Prepares the distributions and depths of the stage that has just begun.
    fn begin_stage(&mut self) -> Result<(), ApolloError> {
        let plan = self.plan.clone();
        let unique = plan.timeline.layers(self.stage());
        self.pmfs = unique
            .iter()
            .zip(&plan.targets)
            .map(|(n, l)| plan.pmf(*n, *l))
            .collect::<Result<_, _>>()?;
        let inference = self.plan.config.inference_depth;
        for (i, stack) in self.model.stacks().into_iter().enumerate() {
            let depth = inference.depth(unique[i], plan.targets[i]);
            stack.set_inference_depth(&plan.map(unique[i], depth)?)?;
        }
        self.draw_depth()
    }

    fn draw_depth(&mut self) -> Result<(), ApolloError> {
        let depths = self.drawn(0);
        self.run_at(&depths)
    }

    /// The depth of every stack for a micro-batch of the next step.
    fn drawn(&self, micro_batch: u64) -> Vec<usize> {
        let seed = self.plan.config.seed;
        (0_u16..)
            .zip(self.pmfs.iter())
            .map(|(stack, pmf)| draw(pmf, seed, self.progress.step, micro_batch, stack))
            .collect()
    }

    fn run_at(&mut self, depths: &[usize]) -> Result<(), ApolloError> {
        for (stack, depth) in self.model.stacks().into_iter().zip(depths) {
            let map = self.plan.map(stack.unique_layers(), *depth)?;
            stack.set_training_depth(&map)?;
        }
        self.depths = depths.to_vec();
        Ok(())
    }

    /// Runs the next step at `depth` in every stack instead of the sampled one. Micro-batches that draw
    /// depths of their own ([`DrawPer::MicroBatch`]) do so regardless.
    ///
    /// # Errors
    ///
    /// [`ApolloError::DepthRange`] unless the depth lies between the unique layers and the target depth of
    /// every stack.
    pub fn set_depth(&mut self, depth: usize) -> Result<(), ApolloError> {
        let depths = self.depths_at(InferenceDepth::At(depth))?;
        self.run_at(&depths)
    }

    /// Each stack's depth for `depth`, refused where a stack cannot run at it.
    fn depths_at(&self, depth: InferenceDepth) -> Result<Vec<usize>, ApolloError> {
        let unique = self.plan.timeline.layers(self.stage());
        if let InferenceDepth::At(depth) = depth {
            let fits = |(n, l): (&usize, &usize)| (*n..=*l).contains(&depth);
            if let Some(stack) = unique.iter().zip(&self.plan.targets).position(|p| !fits(p)) {
                let (unique, target) = (unique[stack], self.plan.targets[stack]);
                return Err(ApolloError::DepthRange { stack, depth, unique, target });
            }
        }
        Ok(unique.iter().zip(&self.plan.targets).map(|(n, l)| depth.depth(*n, *l)).collect())
    }

    /// The model for micro-batch `index` of the next step: at its own depth with
    /// [`DrawPer::MicroBatch`], at the step's depth otherwise.
    ///
    /// The model shares all parameters with this one, so its gradients are this one's.
    ///
    /// # Errors
    ///
    /// When the expander gives no map for the depth.
    pub fn micro_batch(&self, index: u64) -> Result<M, ApolloError> {
        let mut model = self.model.clone();
        if self.plan.config.draw_per == DrawPer::MicroBatch {
            let depths = self.drawn(index);
            for (stack, depth) in model.stacks().into_iter().zip(depths) {
                let map = self.plan.map(stack.unique_layers(), depth)?;
                stack.set_training_depth(&map)?;
            }
        }
        Ok(model)
    }

    /// The model for inference at `depth`: without autodiff, no matter the plan's inference depth.
    ///
    /// # Errors
    ///
    /// [`ApolloError::DepthRange`] unless every stack can run at the depth.
    pub fn at_depth(&self, depth: InferenceDepth) -> Result<M, ApolloError> {
        let depths = self.depths_at(depth)?;
        let mut model = self.model.valid();
        for (stack, depth) in model.stacks().into_iter().zip(depths) {
            stack.set_inference_depth(&self.plan.map(stack.unique_layers(), depth)?)?;
        }
        Ok(model)
    }

    /// The plain model at full depth, with no trace of Apollo in it or in its record.
    ///
    /// Before the last stage, the missing layers are made as the remaining growths would make them.
    ///
    /// # Errors
    ///
    /// When one of those growths fails.
    pub fn into_inner(mut self) -> Result<M, ApolloError> {
        for stage in self.stage() + 1..self.plan.timeline.stages() {
            self.grow_model(stage)?;
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
        Registry::new(&mut model.stacks(), &self.plan.history(self.stage()))
    }
}

impl<M> Apollo<M> {
    /// The model, at the depth of the next step.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Optimizer steps done so far.
    pub fn step_count(&self) -> u64 {
        self.progress.step
    }

    /// Optimizer steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.plan.timeline.steps()
    }

    /// The current stage, from 0.
    pub fn stage(&self) -> usize {
        self.progress.growths.len()
    }

    /// The number of stages.
    pub fn stages(&self) -> usize {
        self.plan.timeline.stages()
    }

    /// Unique layers now, over all stacks.
    pub fn unique_layers(&self) -> usize {
        self.plan.timeline.layers(self.stage()).iter().sum()
    }

    /// Unique layers of each stack in `stage`; the last stage's beyond it.
    pub fn layers_of_stage(&self, stage: usize) -> &[usize] {
        self.plan.timeline.layers(stage)
    }

    /// Virtual depth of the next step, over all stacks.
    pub fn depth(&self) -> usize {
        self.depths.iter().sum()
    }

    /// Virtual depth of the next step, stack by stack.
    pub fn depths(&self) -> &[usize] {
        &self.depths
    }

    /// The distributions that the current stage draws depths from, stack by stack.
    pub fn pmfs(&self) -> &[DepthPmf] {
        &self.pmfs
    }

    /// The optimizer steps before which the model grew.
    pub fn growth_steps(&self) -> &[u64] {
        &self.progress.growths
    }

    /// The factor that the plan puts on the learning rate of the next step.
    pub fn lr_factor(&self) -> f64 {
        self.plan.config.lr_at_growth.factor(self.progress.step, &self.progress.growths)
    }

    #[cfg(feature = "train")]
    /// A log of the depths that training steps run at from now on, as for the metrics.
    pub fn step_log(&self) -> StepLog {
        self.monitor.subscribe()
    }
}

impl<M> Deref for Apollo<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.model
    }
}

impl Plan {
    fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, ApolloError> {
        if unique == 0 {
            return Ok(DepthPmf::always(0));
        }
        let pmf = self.config.sampler.pmf(unique, target)?;
        match pmf.lowest() >= unique && pmf.highest() <= target {
            true => Ok(pmf),
            false => Err(ApolloError::Depth(crate::depth::DepthError::Support {
                unique,
                target,
                found_low: pmf.lowest(),
                found_high: pmf.highest(),
            })),
        }
    }

    fn map(&self, unique: usize, depth: usize) -> Result<LayerMap, ApolloError> {
        Ok(checked_map(self.config.expander.as_ref(), unique, depth)?)
    }
}
