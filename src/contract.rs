//! A test kit for samplers, expanders and policies of your own, and for the names of zeroed parameters.
//!
//! Call a check in a unit test; it looks for a violation in all small cases and says which it found.
//!
//! ```
//! use burn_apollo::contract;
//! use burn_apollo::depth::{DepthPmf, DepthSampler};
//! use burn_apollo::plan::PlanError;
//!
//! #[derive(Debug)]
//! struct Ends;
//!
//! impl DepthSampler for Ends {
//!     fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
//!         let mut weights = vec![0.0; target - unique + 1];
//!         weights[0] += 0.5;
//!         weights[target - unique] += 0.5;
//!         DepthPmf::from_weights(unique, weights)
//!     }
//! }
//!
//! contract::sampler(&Ends)?;
//! # Ok::<(), contract::Violation>(())
//! ```

use burn::optim::SgdConfig;
use thiserror::Error;

use crate::apollo::{Apollo, GrowthRequest, InferenceDepth};
use crate::depth::DepthSampler;
use crate::expand::Expander;
use crate::plan::{MomentPolicy, PlanError};
use crate::policy::{Decision, GrowthPolicy, Measurement, Observation};
use crate::stack::Growable;

/// What part of a contract is broken, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{case}: {what}")]
#[non_exhaustive]
pub struct Violation {
    /// The numbers that it was found with.
    pub case: String,
    /// What is wrong.
    pub what: String,
}

/// Depths up to which everything is looked at.
const DEPTH: usize = 24;

/// Checks a [`DepthSampler`]: for all numbers of layers up to 24 it answers with depths between the unique layers and the
/// target, with probabilities that sum to 1, and the same when it is asked again.
///
/// # Errors
///
/// The first [`Violation`].
pub fn sampler(sampler: &dyn DepthSampler) -> Result<(), Violation> {
    // Compared by its probabilities.
    let ask = |unique, target| {
        sampler.pmf(unique, target).map(|pmf| pmf.iter().collect::<Vec<(usize, f64)>>())
    };
    for_all("pmf", ask, |found, unique, target| {
        let (low, high) = (found.first().map_or(0, |d| d.0), found.last().map_or(0, |d| d.0));
        let sum: f64 = found.iter().map(|(_, p)| p).sum();
        match low >= unique && high <= target {
            false => Some(format!("depths {low}..={high}")),
            true if (sum - 1.0).abs() > 1e-9 => Some(format!("probabilities sum to {sum}")),
            true => None,
        }
    })
}

/// Checks an [`Expander`]: for all numbers of layers up to 24 it answers with a map from the source layers to the target
/// layers, and with the same when it is asked again.
///
/// # Errors
///
/// The first [`Violation`].
pub fn expander(expander: &dyn Expander) -> Result<(), Violation> {
    let ask = |source, target| expander.map(source, target);
    for_all("map", ask, |map, source, target| {
        let found = (map.source(), map.target());
        (found != (source, target)).then(|| format!("a map from {} layers to {}", found.0, found.1))
    })
}

/// Asks for all numbers of layers, twice; `wrong` says what is wrong with an answer.
fn for_all<T: PartialEq>(
    name: &str,
    ask: impl Fn(usize, usize) -> Result<T, PlanError>,
    wrong: impl Fn(&T, usize, usize) -> Option<String>,
) -> Result<(), Violation> {
    for (target, source) in (1..=DEPTH).flat_map(|l| (1..=l).map(move |n| (l, n))) {
        let broken = |what| Violation { case: format!("{name}({source}, {target})"), what };
        let found = ask(source, target).map_err(|e| broken(e.to_string()))?;
        if let Some(what) = wrong(&found, source, target) {
            return Err(broken(what));
        }
        if ask(source, target).ok() != Some(found) {
            return Err(broken("another answer when asked again".to_owned()));
        }
    }
    Ok(())
}

/// Checks a [`GrowthPolicy`] in a run of `steps` optimizer steps and `stages` stages, whose measurements at each step
/// `measure` gives: stopped at any step, saved and restored into a fresh clone of itself, it decides as if it had not
/// been stopped; and it grows to later stages of the schedule alone.
///
/// ```
/// use burn_apollo::contract;
/// use burn_apollo::policy::{LossPlateau, Measurement};
///
/// let flat_after_20 = |step: u64| vec![Measurement::loss(step, 5.0 - 0.1 * step.min(20) as f64, 1)];
/// contract::policy(&LossPlateau::new(5).unwrap(), 100, 4, flat_after_20)?;
/// # Ok::<(), contract::Violation>(())
/// ```
///
/// # Errors
///
/// The first [`Violation`].
pub fn policy<P: GrowthPolicy + Clone>(
    policy: &P,
    steps: u64,
    stages: usize,
    measure: impl Fn(u64) -> Vec<Measurement>,
) -> Result<(), Violation> {
    let mut run =
        Run { policy: policy.clone(), stage: 0, stage_start: 0, steps, stages, measure: &measure };
    for step in 0..steps {
        // What is restored now must decide alike to the end.
        let broken = |what: String| Violation { case: format!("step {step}"), what };
        let mut restored = policy.clone();
        restored.restore(&run.policy.state()).map_err(|e| broken(e.to_string()))?;
        let resumed = Run { policy: restored, ..run };
        let whole = Run { policy: run.policy.clone(), ..run };
        if resumed.decisions(step)? != whole.decisions(step)? {
            return Err(broken("a restored policy decides otherwise".to_owned()));
        }
        run.decide(step)?;
    }
    Ok(())
}

/// The share of a number by which the order of operations may change it.
const ROUNDING: f64 = 1e-5;

/// Checks that the growths of a plan change nothing at the unique layers: that the names given to
/// [`NewLayers::zeroed`](crate::expand::NewLayers::zeroed) are those of all that a layer adds to its input, and no others.
/// Grows a copy of `apollo` to the end of its schedule and asks for `output`, a loss for example, of the model without
/// autodiff before and after each growth. On the model as it was made or later, but it draws nothing and trains nothing.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use burn_apollo::expand::NewLayers;
/// use burn_apollo::stack::LayerStack;
/// use burn_apollo::{Apollo, Plan, contract, growable};
///
/// #[derive(Module, Debug)]
/// struct Block {
///     gate: Linear,
///     value: Linear,
/// }
///
/// #[derive(Module, Debug)]
/// struct Net {
///     blocks: LayerStack<Block>,
/// }
///
/// growable!(Net { blocks });
///
/// let device = Device::default().autodiff();
/// let linear = || LinearConfig::new(4, 4).with_bias(false).init(&device);
/// let net = Net { blocks: (0..4).map(|_| Block { gate: linear(), value: linear() }).collect() };
/// let begun = |zeroed: &str| {
///     let plan = Plan::new(100).with_new_layers(NewLayers::zeroed([zeroed]));
///     Apollo::new(net.clone(), plan)
/// };
/// // x + sigmoid(gate x) · value x: a gate of zeros lets a half through.
/// let output = |net: &Net| {
///     let x = Tensor::<2>::ones([2, 4], &device.clone().inner());
///     let add = |x: Tensor<2>, block: &Block| {
///         let gate = burn::tensor::activation::sigmoid(block.gate.forward(x.clone()));
///         x.clone() + gate * block.value.forward(x)
///     };
///     net.blocks.iter().fold(x, add).sum().into_scalar::<f32>().into()
/// };
/// contract::identity(&begun("value")?, output)?;
/// assert!(contract::identity(&begun("gate")?, output).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The first [`Violation`].
pub fn identity<M: Growable>(
    apollo: &Apollo<M>,
    output: impl Fn(&M) -> f64,
) -> Result<(), Violation> {
    let mut apollo = apollo.clone();
    // What has no state has none to inherit.
    let mut optim = SgdConfig::new().init();
    let request = GrowthRequest::next().with_moments(MomentPolicy::Reset);
    let asked = |apollo: &Apollo<M>| {
        apollo
            .at_depth(InferenceDepth::Unique)
            .map(|model| output(&model))
            .map_err(|e| e.to_string())
    };
    let broken =
        |stage: usize, what: String| Violation { case: format!("growth to stage {stage}"), what };
    let mut before = asked(&apollo).map_err(|what| broken(apollo.stage() + 1, what))?;
    while apollo.stage() + 1 < apollo.timeline().stages() {
        let stage = apollo.stage() + 1;
        apollo.grow(&mut optim, &request).map_err(|e| broken(stage, e.to_string()))?;
        let after = asked(&apollo).map_err(|what| broken(stage, what))?;
        if (after - before).abs() > ROUNDING * before.abs() {
            return Err(broken(stage, format!("{before} before it, {after} after it")));
        }
        before = after;
    }
    Ok(())
}

/// A policy in the middle of a run.
struct Run<'a, P, F> {
    policy: P,
    stage: usize,
    stage_start: u64,
    steps: u64,
    stages: usize,
    measure: &'a F,
}

impl<P: GrowthPolicy, F: Fn(u64) -> Vec<Measurement>> Run<'_, P, F> {
    /// The decisions from a step to the end.
    fn decisions(mut self, step: u64) -> Result<Vec<usize>, Violation> {
        (step..self.steps).map(|step| self.decide(step)).collect()
    }

    /// The stage after a step.
    fn decide(&mut self, step: u64) -> Result<usize, Violation> {
        let broken = |what: String| Err(Violation { case: format!("step {step}"), what });
        if self.stage + 1 >= self.stages {
            return Ok(self.stage);
        }
        let now = Observation {
            step: step + 1,
            stage: self.stage,
            stages: self.stages,
            stage_start: self.stage_start,
            stage_end: self.steps * (self.stage as u64 + 1) / self.stages as u64,
            steps: self.steps,
            unique_layers: self.stage + 1,
            measurements: &(self.measure)(step),
        };
        let stage = match self.policy.decide(&now) {
            Decision::Stay => return Ok(self.stage),
            Decision::Grow => self.stage + 1,
            Decision::GrowTo(stage) => stage,
            Decision::Missing(name) => return broken(format!("`measure` gives no {name}")),
        };
        if stage <= self.stage || stage >= self.stages {
            let (from, stages) = (self.stage, self.stages);
            return broken(format!("grows to stage {stage} from {from} of {stages}"));
        }
        (self.stage, self.stage_start) = (stage, step + 1);
        Ok(stage)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::depth::{ConstantHigh, ConstantLow, DepthPmf, Lvps, Sigmoid, Uniform};
    use crate::expand::{Interpolation, LayerMap, MiddleStacking, Stacking};
    use crate::policy::{FixedPolicy, LossPlateau};

    #[test]
    fn our_own_keep_the_contract() {
        let samplers: [&dyn DepthSampler; 5] =
            [&Lvps::default(), &Uniform, &Sigmoid, &ConstantHigh, &ConstantLow];
        samplers.into_iter().for_each(|own| assert_eq!(sampler(own), Ok(())));
        let middle = [1, 2, 5].map(|block| MiddleStacking::new(block).unwrap());
        let expanders: [&dyn Expander; 5] =
            [&Interpolation, &Stacking, &middle[0], &middle[1], &middle[2]];
        expanders.into_iter().for_each(|own| assert_eq!(expander(own), Ok(())));
        let falling = |step: u64| vec![Measurement::loss(step, (-0.01 * step as f64).exp(), 1)];
        assert_eq!(policy(&FixedPolicy, 60, 4, falling), Ok(()));
        assert_eq!(policy(&LossPlateau::new(3).unwrap(), 60, 4, falling), Ok(()));
    }

    #[derive(Debug)]
    struct Moody(AtomicUsize);

    impl DepthSampler for Moody {
        fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
            let depth = unique + self.0.fetch_add(1, Ordering::SeqCst) % (target - unique + 1);
            Ok(DepthPmf::always(depth))
        }
    }

    #[derive(Debug)]
    struct Short;

    impl Expander for Short {
        fn map(&self, source: usize, _target: usize) -> Result<LayerMap, PlanError> {
            Ok(LayerMap::identity(source))
        }
    }

    /// Forgets half of what it knows.
    #[derive(Debug, Clone, Default)]
    struct Forgetful {
        steps: u64,
    }

    impl GrowthPolicy for Forgetful {
        fn decide(&mut self, _now: &Observation<'_>) -> Decision {
            self.steps += 1;
            if self.steps.is_multiple_of(10) { Decision::Grow } else { Decision::Stay }
        }

        fn restore(&mut self, _state: &[f64]) -> Result<(), PlanError> {
            Ok(())
        }
    }

    #[derive(Debug, Clone)]
    struct TooFar;

    impl GrowthPolicy for TooFar {
        fn decide(&mut self, now: &Observation<'_>) -> Decision {
            Decision::GrowTo(now.stages)
        }
    }

    #[test]
    fn violations_are_found() {
        let what = |found: Result<(), Violation>| found.unwrap_err().to_string();
        assert_eq!(
            what(sampler(&Moody(AtomicUsize::new(0)))),
            "pmf(1, 2): another answer when asked again"
        );
        assert_eq!(what(expander(&Short)), "map(1, 2): a map from 1 layers to 1");
        let none = |_| Vec::new();
        assert_eq!(
            what(policy(&Forgetful::default(), 40, 3, none)),
            "step 1: a restored policy decides otherwise"
        );
        assert_eq!(what(policy(&TooFar, 40, 3, none)), "step 0: grows to stage 3 from 0 of 3");
    }
}
