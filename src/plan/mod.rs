//! Plans: what a run is a function of, beside its model, optimizer and data, as one serialisable value.
//!
//! A [`Plan`] is built in code or read from TOML or JSON; a [checkpoint](crate::checkpoint) carries it, so that a run
//! does not go on by another plan unnoticed. Samplers, expanders and policies of a user's own have a name and
//! parameters in it: a plan that names one is refused where the program does not supply it.

mod depths;
mod moments;

pub use crate::custom::Custom;
pub use crate::plan_error::{PlanError, PlanErrorKind};
pub use depths::EarlySampler;
pub use moments::{MomentOrders, MomentPolicy};

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::custom::named;
use crate::depth::{DepthSamplerConfig, DrawPer};
use crate::expand::{Expander, ExpanderConfig, LayerMap, NewLayers};
use crate::policy::GrowthPolicyConfig;
use crate::schedule::{LayerRates, LrAtGrowth, LrShape, Schedule, Timeline};

/// The plan of a run: the paper's in everything that is not set.
///
/// ```
/// use burn_apollo::depth::Uniform;
/// use burn_apollo::expand::Stacking;
/// use burn_apollo::plan::Plan;
/// use burn_apollo::schedule::Schedule;
///
/// let plan = Plan::new(10_000)
///     .with_schedule(Schedule::one_hop(&[1], &[12], 0.5))
///     .with_sampler(Uniform)
///     .with_expander(Stacking)
///     .with_seed(7);
/// let text = serde_json::to_string(&plan)?;
/// assert_eq!(serde_json::from_str::<Plan>(&text)?, plan);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// In TOML, where all but `steps` may be left out:
///
/// ```
/// # let text = r#"
/// steps = 10000
/// sampler = "uniform"
/// expander = "stacking"
/// policy = { loss_plateau = { patience = 200 } }
/// lr = { warmup_stable_decay = { warm_up = 0.02, decay = 0.2 } }
///
/// [[schedule.stages]]
/// layers = 3
/// until = { fraction = 0.25 }
///
/// [[schedule.stages]]
/// layers = 12
/// # "#;
/// # let plan: burn_apollo::Plan = toml::from_str(text)?;
/// # assert_eq!(plan.sampler, burn_apollo::depth::DepthSamplerConfig::Uniform);
/// # assert_eq!(plan.schedule_for(&[12]).stages.len(), 2);
/// # assert_eq!(toml::from_str::<burn_apollo::Plan>(&toml::to_string(&plan)?)?, plan);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Optimizer steps of the whole run.
    pub steps: u64,
    /// The seed of the depth draws, of layers that have no source, of noise, and of what the device draws.
    #[serde(default)]
    pub seed: u64,
    /// The distribution of the virtual depth.
    #[serde(default)]
    pub sampler: DepthSamplerConfig,
    /// Other distributions of the virtual depth for the first parts of the run, in order; `sampler` holds after them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub early_samplers: Vec<EarlySampler>,
    /// How often a depth is drawn.
    #[serde(default)]
    pub draw_per: DrawPer,
    /// The layer maps of virtual depths and growths.
    #[serde(default, deserialize_with = "named")]
    pub expander: ExpanderConfig,
    /// What the new layers of a growth begin as.
    #[serde(default)]
    pub new_layers: NewLayers,
    /// What the optimizer state of copied layers becomes.
    #[serde(default)]
    pub moments: MomentPolicy,
    /// The powers of the gradient that an optimizer of your own keeps, for [`MomentPolicy::Scaled`].
    #[serde(default, skip_serializing_if = "MomentOrders::are_default")]
    pub moment_orders: MomentOrders,
    /// When to pass to the next stage.
    #[serde(default, deserialize_with = "named")]
    pub policy: GrowthPolicyConfig,
    /// What the learning rate does over the run.
    #[serde(default)]
    pub lr: LrShape,
    /// What the learning rate does at a growth.
    #[serde(default)]
    pub lr_at_growth: LrAtGrowth,
    /// The learning rate of each layer, by its age.
    #[serde(default, skip_serializing_if = "LayerRates::are_equal")]
    pub layer_rates: LayerRates,
    /// Whether the device's random generator is seeded for every training step: see
    /// [`with_step_seeds`](Self::with_step_seeds).
    #[serde(default = "yes")]
    pub step_seeds: bool,
    /// The stages; [`Schedule::paper`] for the model's depth if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

/// Something that a plan says and that may not be what was meant; [`Plan::cautions`] finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caution {
    /// New layers begin as the identity, but steps also run at virtual depths at which that changes the output.
    NotPreserving {
        /// The sampler that draws them.
        sampler: String,
    },
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPreserving { sampler } => write!(
                f,
                "`new_layers` that begin as the identity keep the output at the unique layers alone, but the sampler \
                 {sampler:?} also draws greater depths: a growth changes the output there; \"constant_low\" draws none"
            ),
        }
    }
}

const fn yes() -> bool {
    true
}

impl Plan {
    /// The paper's plan for a run of `steps` optimizer steps: its schedule generalised to the model's
    /// depth ([`Schedule::paper`]), [`Lvps`](crate::depth::Lvps), [`Interpolation`](crate::expand::Interpolation),
    /// growth where the schedule says; optimizer state as [`MomentPolicy`]'s default; seed 0.
    pub fn new(steps: u64) -> Self {
        Self {
            steps,
            seed: 0,
            sampler: DepthSamplerConfig::default(),
            early_samplers: Vec::new(),
            draw_per: DrawPer::default(),
            expander: ExpanderConfig::default(),
            new_layers: NewLayers::default(),
            moments: MomentPolicy::default(),
            moment_orders: MomentOrders::default(),
            policy: GrowthPolicyConfig::default(),
            lr: LrShape::default(),
            lr_at_growth: LrAtGrowth::default(),
            layer_rates: LayerRates::default(),
            step_seeds: true,
            schedule: None,
        }
    }

    /// The stages.
    pub fn with_schedule(self, schedule: Schedule) -> Self {
        Self { schedule: Some(schedule), ..self }
    }

    /// The distribution of the virtual depth: one of this crate's samplers, or [`DepthSamplerConfig::custom`].
    pub fn with_sampler(self, sampler: impl Into<DepthSamplerConfig>) -> Self {
        Self { sampler: sampler.into(), ..self }
    }

    /// The layer maps of virtual depths and growths: one of this crate's expanders, or [`ExpanderConfig::custom`].
    pub fn with_expander(self, expander: impl Into<ExpanderConfig>) -> Self {
        Self { expander: expander.into(), ..self }
    }

    /// What the new layers of a growth begin as: copies, copies that begin as the identity because their output projections
    /// are zero, or copies with noise.
    ///
    /// ```
    /// use burn_apollo::Plan;
    /// use burn_apollo::depth::ConstantLow;
    /// use burn_apollo::expand::NewLayers;
    ///
    /// // No growth changes what the model computes, whatever the numbers of layers.
    /// let plan = Plan::new(10_000)
    ///     .with_sampler(ConstantLow)
    ///     .with_new_layers(NewLayers::zeroed(["attn.c_proj", "mlp.c_proj"]));
    /// ```
    pub fn with_new_layers(self, new_layers: NewLayers) -> Self {
        Self { new_layers, ..self }
    }

    /// When to pass to the next stage: one of this crate's policies, or [`GrowthPolicyConfig::custom`].
    pub fn with_policy(self, policy: impl Into<GrowthPolicyConfig>) -> Self {
        Self { policy: policy.into(), ..self }
    }

    /// What the optimizer state of copied layers becomes.
    pub fn with_moments(self, moments: MomentPolicy) -> Self {
        Self { moments, ..self }
    }

    /// The powers of the gradient that an optimizer of your own keeps, for [`MomentPolicy::Scaled`].
    pub fn with_moment_orders(self, moment_orders: MomentOrders) -> Self {
        Self { moment_orders, ..self }
    }

    /// What the learning rate does over the run; [`LrShape::scheduler`] makes it a scheduler.
    pub fn with_lr(self, lr: LrShape) -> Self {
        Self { lr, ..self }
    }

    /// What the learning rate does at a growth.
    pub fn with_lr_at_growth(self, lr_at_growth: LrAtGrowth) -> Self {
        Self { lr_at_growth, ..self }
    }

    /// The learning rate of each layer, by its age: lower ones for old layers, or none at all.
    ///
    /// ```
    /// use burn_apollo::Plan;
    /// use burn_apollo::schedule::LayerRates;
    ///
    /// // Only the layers that the last growth made are trained.
    /// let plan = Plan::new(10_000).with_layer_rates(LayerRates::ByAge(vec![1.0, 0.0]));
    /// ```
    pub fn with_layer_rates(self, layer_rates: LayerRates) -> Self {
        Self { layer_rates, ..self }
    }

    /// The seed of the depth draws, of layers that have no source, of noise, and of what the device draws.
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

    /// The plan's schedule, or the paper's for stacks of these target depths.
    pub fn schedule_for(&self, targets: &[usize]) -> Schedule {
        self.schedule.clone().unwrap_or_else(|| Schedule::paper(targets))
    }

    /// The plan's schedule held against stacks of these target depths.
    ///
    /// # Errors
    ///
    /// The first field that does not fit, by name.
    pub fn timeline(&self, targets: &[usize]) -> Result<Timeline, PlanError> {
        self.schedule_for(targets).timeline(self.steps, targets)
    }

    /// Checks all of the plan that can be checked by numbers alone, for stacks of these target depths: every stage's
    /// distribution of depths, and the layer map of every depth and growth.
    ///
    /// # Errors
    ///
    /// The first field that does not fit, by name; a part that the plan names and nobody supplied.
    pub fn check(&self, targets: &[usize]) -> Result<(), PlanError> {
        self.lr.check_for(self.steps)?;
        self.lr_at_growth.check()?;
        self.layer_rates.check()?;
        self.check_early_samplers()?;
        self.new_layers.check()?;
        self.policy.build()?;
        let timeline = self.timeline(targets)?;
        for (stack, target) in targets.iter().copied().enumerate() {
            let layers = |stage: usize| timeline.layers(stage)[stack];
            for stage in (0..timeline.stages()).filter(|stage| layers(*stage) > 0) {
                // A policy may pass to a stage at any step.
                for part in 0..=self.early_samplers.len() {
                    let pmf = self.pmf_in(part, layers(stage), target)?;
                    for (depth, _) in pmf.iter().filter(|(_, p)| *p > 0.0) {
                        self.map(layers(stage), depth)?;
                    }
                }
                if stage + 1 < timeline.stages() {
                    self.new_layers.check_map(&self.map(layers(stage), layers(stage + 1))?)?;
                }
            }
        }
        Ok(())
    }

    /// What of the plan works, but may not be what was meant. It does not look at the steps: an early sampler may be over before
    /// the model grows.
    ///
    /// ```
    /// use burn_apollo::{Plan, expand::NewLayers, plan::Caution};
    ///
    /// let plan = Plan::new(100).with_new_layers(NewLayers::zeroed(["proj"]));
    /// assert_eq!(plan.cautions(), [Caution::NotPreserving { sampler: "lvps".to_owned() }]);
    /// ```
    pub fn cautions(&self) -> Vec<Caution> {
        let mut deeper =
            self.samplers().filter(|sampler| **sampler != DepthSamplerConfig::ConstantLow);
        match deeper.next() {
            Some(sampler) if self.new_layers.are_identities() => {
                vec![Caution::NotPreserving { sampler: sampler.name().to_owned() }]
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn map(&self, unique: usize, depth: usize) -> Result<LayerMap, PlanError> {
        self.expander.map(unique, depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_there_are_not_are_told_with_their_field() {
        let unknown = |field: &str, name: &str, names: &str| {
            (
                field.to_owned(),
                format!("{name:?}"),
                format!("`{field}`: {name:?} is unknown; there are {names}"),
            )
        };
        let wrong = |field: &str| {
            let words =
                r#"expected a name, or a table such as { custom = { name = "mine" } }, found 3"#;
            (field.to_owned(), "3".to_owned(), words.to_owned())
        };
        for (field, text, words) in [
            unknown("sampler", "lottery", "lvps, uniform, sigmoid, constant_high, constant_low"),
            unknown("expander", "lottery", "interpolation, stacking and tables for others"),
            unknown("expander", "middle_stacking", "interpolation, stacking and tables for others"),
            unknown("policy", "loss_plateau", "fixed and tables for others"),
            wrong("sampler"),
            wrong("expander"),
            wrong("policy"),
        ] {
            let json = format!(r#"{{"steps":9,"{field}":{text}}}"#);
            let toml = format!("steps = 9\n{field} = {text}");
            for error in [
                serde_json::from_str::<Plan>(&json).unwrap_err().to_string(),
                toml::from_str::<Plan>(&toml).unwrap_err().to_string(),
            ] {
                assert!(error.contains(&words), "{error} should contain {words}");
            }
        }
    }
}
