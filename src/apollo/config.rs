use core::fmt;
use std::sync::Arc;

use super::{ApolloError, GrowthReport, InferenceDepth, NotFinite};
use crate::depth::{DepthSampler, DrawPer, Lvps};
use crate::expand::{Expander, Interpolation, NewLayers};
use crate::optim::{MomentOrders, MomentPolicy};
use crate::schedule::{FixedPolicy, GrowthPolicy, LossFeed, LrAtGrowth, Schedule, Timeline};
use crate::stack::{Growable, LayerParam, StackError};

/// The plan of a run: the paper's in everything that is not set.
///
/// ```
/// use burn_apollo::ApolloConfig;
/// use burn_apollo::depth::Uniform;
/// use burn_apollo::expand::Stacking;
/// use burn_apollo::schedule::Schedule;
///
/// let config = ApolloConfig::new(10_000)
///     .with_schedule(Schedule::one_hop(&[1], &[12], 0.5))
///     .with_sampler(Uniform)
///     .with_expander(Stacking)
///     .with_seed(7)
///     .on_growth(|growth| println!("{growth}"));
/// ```
#[derive(Clone)]
pub struct ApolloConfig {
    steps: u64,
    schedule: Option<Schedule>,
    pub(super) sampler: Arc<dyn DepthSampler>,
    pub(super) expander: Arc<dyn Expander>,
    pub(super) new_layers: NewLayers,
    pub(super) policy: Box<dyn GrowthPolicy>,
    pub(super) losses: LossFeed,
    pub(super) moments: MomentPolicy,
    pub(super) moment_orders: MomentOrders,
    pub(super) lr_at_growth: LrAtGrowth,
    pub(super) seed: u64,
    pub(super) draw_per: DrawPer,
    pub(super) step_seeds: bool,
    pub(super) not_finite: NotFinite,
    pub(super) inference_depth: InferenceDepth,
    pub(super) observer: Option<Observer>,
}

type Observer = Arc<dyn Fn(&GrowthReport) + Send + Sync>;

impl ApolloConfig {
    /// The paper's plan for a run of `steps` optimizer steps: its schedule generalised to the model's
    /// depth ([`Schedule::paper`]), [`Lvps`], [`Interpolation`], growth where the schedule says, the
    /// learning rate kept; optimizer state as [`MomentPolicy`]'s default; seed 0.
    pub fn new(steps: u64) -> Self {
        Self {
            steps,
            schedule: None,
            sampler: Arc::new(Lvps::default()),
            expander: Arc::new(Interpolation),
            new_layers: NewLayers::default(),
            policy: Box::new(FixedPolicy),
            losses: LossFeed::default(),
            moments: MomentPolicy::default(),
            moment_orders: MomentOrders::default(),
            lr_at_growth: LrAtGrowth::default(),
            seed: 0,
            draw_per: DrawPer::default(),
            step_seeds: true,
            not_finite: NotFinite::default(),
            inference_depth: InferenceDepth::default(),
            observer: None,
        }
    }

    /// The stages.
    pub fn with_schedule(self, schedule: Schedule) -> Self {
        Self { schedule: Some(schedule), ..self }
    }

    /// The distribution of the virtual depth.
    pub fn with_sampler(self, sampler: impl DepthSampler + 'static) -> Self {
        Self { sampler: Arc::new(sampler), ..self }
    }

    /// The layer maps of virtual depths and growths.
    pub fn with_expander(self, expander: impl Expander + 'static) -> Self {
        Self { expander: Arc::new(expander), ..self }
    }

    /// What the new layers of a growth begin as: copies, or copies that begin as the identity because their output
    /// projections are zero.
    ///
    /// ```
    /// use burn_apollo::ApolloConfig;
    /// use burn_apollo::depth::ConstantLow;
    /// use burn_apollo::expand::NewLayers;
    ///
    /// // No growth changes what the model computes, whatever the numbers of layers.
    /// let config = ApolloConfig::new(10_000)
    ///     .with_sampler(ConstantLow)
    ///     .with_new_layers(NewLayers::zeroed(["attn.c_proj", "mlp.c_proj"]));
    /// ```
    pub fn with_new_layers(self, new_layers: NewLayers) -> Self {
        Self { new_layers, ..self }
    }

    /// When to pass to the next stage.
    pub fn with_policy(self, policy: impl GrowthPolicy + 'static) -> Self {
        Self { policy: Box::new(policy), ..self }
    }

    /// Where a policy hears losses and other numbers; keep a clone of the feed to tell them.
    pub fn with_losses(self, losses: LossFeed) -> Self {
        Self { losses, ..self }
    }

    /// What the optimizer state of copied layers becomes.
    pub fn with_moments(self, moments: MomentPolicy) -> Self {
        Self { moments, ..self }
    }

    /// The powers of the gradient that an optimizer of your own keeps, for [`MomentPolicy::Scaled`].
    pub fn with_moment_orders(self, moment_orders: MomentOrders) -> Self {
        Self { moment_orders, ..self }
    }

    /// What the learning rate does at a growth.
    pub fn with_lr_at_growth(self, lr_at_growth: LrAtGrowth) -> Self {
        Self { lr_at_growth, ..self }
    }

    /// The seed of the depth draws and of layers that have no source.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether micro-batches draw depths of their own.
    pub fn with_draw_per(self, draw_per: DrawPer) -> Self {
        Self { draw_per, ..self }
    }

    /// Whether [`Apollo`](crate::Apollo) seeds the device's random generator for every training step, from the
    /// run's seed and the step's number; on by default.
    ///
    /// What the device draws in a step (dropout, noise) is then a function of the step, as the depth is, and a
    /// resumed run draws what the uninterrupted one would have. Burn's backends do not say where their generators
    /// stand, so nothing else makes a run with dropout resume exactly. Weights that were not initialised yet are
    /// drawn before the first seed. Devices of data parallel training draw alike.
    pub fn with_step_seeds(self, step_seeds: bool) -> Self {
        Self { step_seeds, ..self }
    }

    /// What to do with a step whose gradients are not all finite.
    pub fn with_not_finite(self, not_finite: NotFinite) -> Self {
        Self { not_finite, ..self }
    }

    /// The depth of validation and inference during the run.
    pub fn with_inference_depth(self, inference_depth: InferenceDepth) -> Self {
        Self { inference_depth, ..self }
    }

    /// Calls `observer` with the report of every growth; with distributed data parallel, every worker calls it.
    pub fn on_growth(self, observer: impl Fn(&GrowthReport) + Send + Sync + 'static) -> Self {
        Self { observer: Some(Arc::new(observer)), ..self }
    }
}

impl fmt::Debug for ApolloConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApolloConfig")
            .field("steps", &self.steps)
            .field("schedule", &self.schedule)
            .field("sampler", &self.sampler)
            .field("expander", &self.expander)
            .field("new_layers", &self.new_layers)
            .field("policy", &self.policy)
            .field("moments", &self.moments)
            .field("lr_at_growth", &self.lr_at_growth)
            .field("seed", &self.seed)
            .field("draw_per", &self.draw_per)
            .field("step_seeds", &self.step_seeds)
            .field("not_finite", &self.not_finite)
            .field("inference_depth", &self.inference_depth)
            .finish_non_exhaustive()
    }
}

/// A configuration checked against a model.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: ApolloConfig,
    pub(super) targets: Vec<usize>,
    pub(super) timeline: Timeline,
    /// The parameters of each layer that each stack was built with.
    pub(super) built: Vec<Vec<Vec<LayerParam>>>,
}

impl Plan {
    pub(super) fn new(
        mut config: ApolloConfig,
        model: &mut impl Growable,
    ) -> Result<(Self, Box<dyn GrowthPolicy>), ApolloError> {
        config.lr_at_growth.check()?;
        let targets = stack_targets(model)?;
        let schedule = config.schedule.get_or_insert_with(|| Schedule::paper(&targets));
        let timeline = schedule.timeline(config.steps, &targets)?;
        let policy = config.policy.clone();
        let built = model.stacks().iter().map(|stack| stack.layer_params()).collect();
        let plan = Self { config, targets, timeline, built };
        plan.check(model)?;
        Ok((plan, policy))
    }
}

fn stack_targets(model: &mut impl Growable) -> Result<Vec<usize>, ApolloError> {
    let targets: Vec<usize> = model.stacks().iter().map(|s| s.target_depth()).collect();
    if targets.is_empty() {
        return Err(StackError::NoStack.into());
    }
    if targets.len() > 1 << 16 {
        return Err(StackError::TooManyStacks { found: targets.len() }.into());
    }
    match targets.iter().position(|l| *l == 0) {
        Some(stack) => Err(StackError::Empty { stack }.into()),
        None => Ok(targets),
    }
}
