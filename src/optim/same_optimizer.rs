//! Whether two optimizers are of the same kinds and settings, as far as a trial shows.

use core::fmt;

use burn::module::{Module, Param};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::Heirs;
use super::treatment::{RATES, Treatment, WEIGHTS, treatment, without_state};
use crate::panic::caught;
use crate::wire::{PathVisitor, walk};

/// How an optimizer treats the parameters of a model; of the layers of a stack, those of the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Treatments(Vec<Group>);

/// Parameters that are treated alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    params: Vec<String>,
    treatment: Treatment,
}

/// A parameter that another optimizer treats in another way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Differs {
    pub(crate) param: String,
    pub(crate) saved: String,
    pub(crate) now: String,
}

impl Treatments {
    /// None where the optimizer does not take the numbers of the trial, or answers with ones that are not finite.
    pub(crate) fn of<M: Module>(
        optim: &ModuleOptimizer,
        model: &M,
        stacks: &[Heirs],
        device: &Device,
    ) -> Option<Self> {
        let optim = without_state(optim);
        let collect = Collect { optim: &optim, stacks, device, groups: Some(Vec::new()) };
        walk(model, collect).groups.map(Self)
    }

    /// The first parameter of both that is treated in another way `now`.
    pub(crate) fn differ_from(&self, now: &Self) -> Option<Differs> {
        let find = |param: &String| now.0.iter().find(|group| group.params.contains(param));
        let pairs = self.0.iter().flat_map(|saved| {
            let both = move |param| Some((param, &saved.treatment, &find(param)?.treatment));
            saved.params.iter().filter_map(both)
        });
        let (param, saved, now) = pairs.into_iter().find(|(_, saved, now)| !saved.is_like(now))?;
        let (param, was, is) = (param.clone(), saved.to_string(), now.to_string());
        Some(match was == is {
            false => Differs { param, saved: was, now: is },
            true => {
                let (saved, now) = saved.first_other_move(now);
                let text =
                    |name, moved| format!("{name} that moves a weight by {moved} in a trial");
                Differs { param, saved: text(was, saved), now: text(is, now) }
            }
        })
    }
}

struct Collect<'a> {
    optim: &'a ModuleOptimizer,
    stacks: &'a [Heirs],
    device: &'a Device,
    groups: Option<Vec<Group>>,
}

impl PathVisitor for Collect<'_> {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let later = self.stacks.iter().any(|stack| stack.layer_of(path).is_some_and(|l| l > 0));
        let trained = param.is_initialized() && param.base().is_require_grad();
        let Some(groups) = self.groups.as_mut().filter(|_| trained && !later) else { return };
        let tried = caught(|| treatment::<D>(self.optim, path, param.id, self.device));
        let finite = |t: &Treatment| t.moves.iter().all(|moved| moved.is_finite());
        let Some(treatment) = tried.ok().and_then(Result::ok).filter(finite) else {
            self.groups = None;
            return;
        };
        match groups.iter_mut().find(|group| group.treatment == treatment) {
            Some(group) => group.params.push(path.to_owned()),
            None => groups.push(Group { params: vec![path.to_owned()], treatment }),
        }
    }
}

impl Treatment {
    /// The same, but for rounding, which is another on every backend.
    fn is_like(&self, other: &Self) -> bool {
        self.fields == other.fields
            && self.moves.len() == other.moves.len()
            && self.other_move(other).is_none()
    }

    fn other_move(&self, other: &Self) -> Option<usize> {
        const RELATIVE: f64 = 2e-3; // products of matrices on GPUs may have ten bits
        const OF_WEIGHTS: f64 = 1e-6; // some units in the last place of a weight
        let mut weight: f64 = WEIGHTS.iter().fold(0.0, |most, weight| weight.abs().max(most));
        self.moves.iter().zip(&other.moves).position(|(a, b)| {
            let moved = a.abs().max(b.abs());
            weight = weight.max(moved);
            (a - b).abs() > RELATIVE * moved + OF_WEIGHTS * weight
        })
    }

    fn first_other_move(&self, other: &Self) -> (f64, f64) {
        let at = self.other_move(other).unwrap_or(0);
        let moved = |of: &Self| of.moves.get(at).copied().map_or(0.0, rounded);
        (moved(self), moved(other))
    }

    /// What weights lose without any gradient, if all lose in proportion; 0 if none loses anything.
    fn decay(&self) -> Option<f64> {
        let without_gradient = self.moves.get(..WEIGHTS.len())?;
        let rates = WEIGHTS.iter().zip(without_gradient).filter(|(weight, _)| **weight > 0.0);
        let rates: Vec<f64> = rates.map(|(weight, moved)| -moved / weight / RATES[0]).collect();
        let (least, most) =
            rates.iter().fold((f64::MAX, f64::MIN), |(a, b), rate| (rate.min(a), rate.max(b)));
        (most - least <= 0.05 * most.abs()).then_some(most)
    }

    /// Whether a small gradient moves its weight by more than its share in the whole, as making a matrix orthogonal does.
    fn is_orthogonal(&self) -> bool {
        let moves = self.moves.get(WEIGHTS.len()..2 * WEIGHTS.len()).unwrap_or_default();
        moves.len() == WEIGHTS.len() && moves[2].abs() > 1e-3 * moves[1].abs()
    }
}

/// Burn's optimizer of such state and moves, with its decay of weights.
impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |field: &str| self.fields.iter().any(|own| own == field);
        let decay = self.decay();
        let name = match decay {
            _ if self.fields.is_empty() => "SGD",
            _ if has("momentum.velocity") && self.is_orthogonal() => "Muon",
            _ if has("momentum.velocity") => "SGD with momentum",
            Some(0.0) if has("momentum.moment_1") => "Adam or AdamW",
            Some(_) if has("momentum.moment_1") => "AdamW",
            None if has("momentum.moment_1") => "Adam",
            _ if has("moment_1") => "LAMB",
            _ if has("momentum.exp_avg") => "Adan",
            _ if has("momentum") => "Lion",
            _ if has("lr_decay.sum") => "AdaGrad",
            _ if has("square_avg.square_avg") => "RMSprop",
            _ if has("second_moment") || has("column_second_moment") => "Adafactor",
            _ => return write!(f, "an optimizer that keeps `{}`", self.fields.join("`, `")),
        };
        match decay {
            Some(0.0) => write!(f, "{name} without weight decay"),
            Some(decay) => write!(f, "{name} with weight decay {}", rounded(decay)),
            None => write!(f, "{name} with weight decay in its gradients"),
        }
    }
}

/// With three digits.
fn rounded(number: f64) -> f64 {
    format!("{number:.2e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;
    use burn::optim::decay::WeightDecayConfig;
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::*;

    use super::*;

    #[test]
    fn optimizers_of_burn_are_named() {
        let momentum = Some(MomentumConfig::new());
        let l2 = Some(WeightDecayConfig::new(0.01));
        let named: Vec<(ModuleOptimizer, &str)> = vec![
            (AdamWConfig::new().init(), "AdamW with weight decay 0.0001"),
            (AdamWConfig::new().with_weight_decay(0.1).init(), "AdamW with weight decay 0.1"),
            (AdamConfig::new().init(), "Adam or AdamW without weight decay"),
            (
                AdamConfig::new().with_weight_decay(l2).init(),
                "Adam with weight decay in its gradients",
            ),
            (SgdConfig::new().init(), "SGD without weight decay"),
            (
                SgdConfig::new().with_momentum(momentum).init(),
                "SGD with momentum without weight decay",
            ),
            (MuonConfig::new().build().into(), "Muon without weight decay"),
            (LionConfig::new().init(), "Lion"),
            (LambConfig::new().init(), "LAMB without weight decay"),
            (AdanConfig::new().init(), "Adan"),
            (AdafactorConfig::new().init(), "Adafactor"),
            (AdaGradConfig::new().init(), "AdaGrad without weight decay"),
            (RmsPropConfig::new().init(), "RMSprop without weight decay"),
        ];
        for (optim, name) in named {
            let found = treatment::<2>(&optim, "a", ParamId::from(7), &Device::flex()).unwrap();
            assert!(found.to_string().starts_with(name), "{found} should be {name}: {found:?}");
        }
    }
}
