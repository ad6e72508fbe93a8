//! [`Apollo`]: a model together with its plan and its position in the run.

mod branch;
mod depths;
mod end;
mod error;
mod fitted;
mod gradients;
mod growth;
mod inference;
mod position;
mod record;
mod report;
mod step;
#[cfg(feature = "train")]
mod unrecorded;

pub use branch::{Branch, Role, Run, TryOut};
pub use error::ApolloError;
#[cfg(feature = "train")]
pub(crate) use gradients::Gradients;
pub use gradients::NonFiniteGradients;
pub use growth::GrowthRequest;
pub use inference::InferenceDepth;
pub(crate) use record::SavedProgress;
pub use report::{GrowthReport, StackGrowth, StepReport};
#[cfg(feature = "train")]
pub(crate) use unrecorded::UnrecordedSteps;

use std::sync::Arc;

use burn::tensor::Device;

use crate::depth::DepthPmf;
use crate::plan::Plan;
use crate::policy::Measurement;
use crate::registry::Registry;
use crate::stack::{Growable, stacks, stacks_mut};
use depths::Depths;
use error::other;
use fitted::FittedPlan;
use position::Position;
use step::Checks;

/// A model that trains by progressive depth.
///
/// It holds a [`Growable`] model, which begins with the unique layers of the first stage, runs every training step at a
/// sampled virtual depth, and grows when its policy says so. A hand-written loop runs [`model`](Self::model) forward and
/// backward and calls [`update`](Self::update), which takes the optimizer step and answers what happened; in burn-train
/// a `Trainable` of it takes the model's place.
///
/// It is no Burn module: only `update` can train the model, so that no step goes uncounted. Cloning is cheap, as for
/// every Burn module.
///
/// # Example
///
/// ```
/// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Distribution, Tensor}};
/// use burn::optim::{AdamWConfig, GradientsParams};
/// use burn_apollo::{Apollo, Plan, growable, stack::LayerStack};
///
/// #[derive(Module, Debug)]
/// struct Mlp {
///     blocks: LayerStack<Linear>,
/// }
///
/// growable!(Mlp { blocks });
///
/// impl Mlp {
///     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
///         self.blocks.iter().fold(x, |x, block| x.clone() + block.forward(x).tanh())
///     }
/// }
///
/// let device = Device::default().autodiff();
/// let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
/// let mut apollo = Apollo::new(mlp, Plan::new(20))?;
/// let mut optim = AdamWConfig::new().init();
///
/// for _ in 0..20 {
///     let x = Tensor::random([2, 8], Distribution::Default, &device);
///     let loss = apollo.model().forward(x).powi_scalar(2).mean();
///     let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
///     let report = apollo.update(&mut optim, 1e-3, grads)?;
///     if let Some(growth) = report.growth {
///         println!("{growth}");
///     }
/// }
/// assert_eq!(apollo.unique_layers(), 4);
/// let mlp: Mlp = apollo.into_inner()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Burn's own idiom does not compile, since it would train the model past its plan:
///
/// ```compile_fail,E0277
/// # use burn::optim::{GradientsParams, ModuleOptimizer};
/// # use burn_apollo::{Apollo, stack::Growable};
/// fn step<M: Growable>(apollo: Apollo<M>, optim: &mut ModuleOptimizer, grads: GradientsParams) -> Apollo<M> {
///     optim.step(1e-3, apollo, grads)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Apollo<M, R = Run> {
    /// Taken out for as long as the optimizer updates it.
    model: Option<M>,
    plan: Arc<FittedPlan>,
    position: Position,
    depths: Depths,
    checks: Checks,
    device: Device,
    role: R,
}

impl<M: Growable> Apollo<M> {
    /// Wraps `model`, whose stacks hold all `L` layers, for a run by `plan`.
    ///
    /// The stacks are shortened to the first stage's layers at once, and these are initialised. Burn's layers
    /// initialise lazily, so the others never cost memory unless they were used before.
    ///
    /// # Errors
    ///
    /// [`ApolloError`] naming the field of the plan that does not fit the model, or what of the model cannot
    /// be grown: see [`Growable`].
    pub fn new(mut model: M, plan: Plan) -> Result<Self, ApolloError> {
        let device = model
            .devices()
            .into_iter()
            .next()
            .ok_or_else(|| other!("the model has no parameter to train"))?;
        let (plan, policy) = FittedPlan::new(plan, &model)?;
        for (stack, layers) in stacks_mut(&mut model).into_iter().zip(plan.timeline.layers(0)) {
            stack.shorten(*layers);
        }
        // Weights are drawn before the first step's seed, as the user seeded the device.
        fitted::initialise(&model);
        plan.check_trained(&model)?;
        let mut apollo = Self {
            model: Some(model),
            plan: Arc::new(plan),
            position: Position::default(),
            depths: Depths::default(),
            checks: Checks::default(),
            device,
            role: Run::new(policy),
        };
        apollo.begin_stage()?;
        apollo.draw_depth()?;
        Ok(apollo)
    }

    /// Records the training loss of an optimizer step, for the growth policy.
    ///
    /// Reading a loss makes the device wait: do it every few steps where that matters. The policy sees what was recorded
    /// when it is asked next, at the end of the next [`update`](Self::update).
    pub fn record_loss(&mut self, step: u64, loss: f64) {
        let depth = self.depth_of(step);
        self.role.measurements.push(Measurement::loss(step, loss, depth));
    }

    /// Records a number of any other kind, measured at the next step, under a name that the policy knows.
    pub fn record(&mut self, name: impl Into<String>, value: f64) {
        let (step, depth) = (self.position.step, self.depth());
        self.role.measurements.push(Measurement { step, name: name.into(), value, depth });
    }
}

impl<M: Growable, R> Apollo<M, R> {
    /// Which unique layer each virtual layer of the next step uses, and where every parameter comes from.
    pub fn registry(&self) -> Registry {
        let history = self.position.history(&self.plan.timeline);
        Registry::new(&stacks(self.model()), &history, &self.plan.plan.new_layers)
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The same run with what `change` makes of its model, on `device`.
    pub(crate) fn with_model(mut self, device: Device, change: impl FnOnce(M) -> M) -> Self {
        self.model = self.model.take().map(change);
        Self { device, ..self }
    }
}

impl<M, R> Apollo<M, R> {
    /// The model, at the depth of the next step.
    ///
    /// # Panics
    ///
    /// If the optimizer panicked in an earlier [`update`](Self::update) and the panic was caught: the model went with it.
    pub fn model(&self) -> &M {
        self.model.as_ref().expect("the optimizer panicked while it updated the model")
    }

    /// The model, to change it in place: to freeze parameters, for one. Its layer stacks change by the plan alone.
    ///
    /// # Panics
    ///
    /// As [`model`](Self::model).
    pub fn model_mut(&mut self) -> &mut M {
        self.model.as_mut().expect("the optimizer panicked while it updated the model")
    }

    fn into_model(self) -> M {
        self.model.expect("the optimizer panicked while it updated the model")
    }

    /// The plan of the run; its schedule is the paper's for the model's depth, if none was set.
    pub fn plan(&self) -> &Plan {
        &self.plan.plan
    }

    pub(crate) fn targets(&self) -> &[usize] {
        &self.plan.targets
    }

    /// Optimizer steps done so far.
    pub fn step_count(&self) -> u64 {
        self.position.step
    }

    /// Optimizer steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.plan.timeline.steps()
    }

    /// The current stage, from 0.
    pub fn stage(&self) -> usize {
        self.position.stage()
    }

    /// The stages of the run: their layers and ends.
    pub fn timeline(&self) -> &crate::schedule::Timeline {
        &self.plan.timeline
    }

    /// Unique layers now, over all stacks.
    pub fn unique_layers(&self) -> usize {
        self.plan.timeline.layers(self.stage()).iter().sum()
    }

    /// Virtual depth of the next step, over all stacks.
    pub fn depth(&self) -> usize {
        self.depths.training.iter().sum()
    }

    /// Virtual depth of the next step, stack by stack.
    pub fn depths(&self) -> &[usize] {
        &self.depths.training
    }

    /// The distributions that the depths of the next step are drawn from, stack by stack.
    pub fn pmfs(&self) -> &[DepthPmf] {
        &self.depths.pmfs
    }

    /// The growths so far: the optimizer step before which the model grew, and the stage that began. A policy or
    /// [`grow`](Self::grow) may skip stages.
    pub fn growths(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        self.position.growths.iter().map(|growth| (growth.step, growth.stage))
    }

    /// The factor that the plan puts on the learning rate of the next step.
    pub fn lr_factor(&self) -> f64 {
        let growths: Vec<u64> = self.growths().map(|(step, _)| step).collect();
        self.plan.plan.lr_at_growth.factor(self.position.step, &growths)
    }

    /// What to do with a step whose gradients are not all finite.
    pub fn with_non_finite_gradients(mut self, non_finite: NonFiniteGradients) -> Self {
        self.checks.non_finite = non_finite;
        self
    }
}
