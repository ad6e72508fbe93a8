//! The distribution of the virtual depth over a run.

use core::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Plan, PlanError};
use crate::depth::{DepthPmf, DepthSampler, DepthSamplerConfig};
use crate::schedule::Until;

/// Another distribution of the virtual depth for the first part of a run, or for a part after another one.
///
/// Virtual depth for a while before a growth only, say: see [`Plan::with_early_sampler`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlySampler {
    /// The distribution.
    pub sampler: DepthSamplerConfig,
    /// Where its part of the run ends.
    pub until: Until,
}

impl Plan {
    /// Another distribution of the virtual depth for a part of the run, from its start or from the end of the part that was
    /// given before, until `until`; after the last part the plan's [`sampler`](Self::sampler) holds.
    ///
    /// Such parts are no stages: they need not end where the model grows, and each draws for the layers that the model has
    /// then. The depth of a step is still a function of the seed and the step alone.
    ///
    /// ```
    /// use burn_apollo::Plan;
    /// use burn_apollo::depth::{ConstantHigh, ConstantLow};
    /// use burn_apollo::schedule::{Schedule, Until};
    ///
    /// // Three layers alone, then looped to full depth for the last tenth before they are untied.
    /// let plan = Plan::new(1000)
    ///     .with_schedule(Schedule::one_hop(&[3], &[12], 0.8))
    ///     .with_early_sampler(ConstantLow, Until::Fraction(0.7))
    ///     .with_sampler(ConstantHigh);
    /// assert_eq!(plan.pmf(699, 3, 12)?.mean(), 3.0);
    /// assert_eq!(plan.pmf(700, 3, 12)?.mean(), 12.0);
    /// # Ok::<(), burn_apollo::plan::PlanError>(())
    /// ```
    ///
    /// In TOML:
    ///
    /// ```
    /// # let text = r#"
    /// steps = 1000
    /// sampler = "constant_high"
    ///
    /// [[early_samplers]]
    /// sampler = "constant_low"
    /// until = { fraction = 0.7 }
    /// # "#;
    /// # let plan: burn_apollo::Plan = toml::from_str(text)?;
    /// # assert_eq!(plan.pmf(699, 3, 12)?.mean(), 3.0);
    /// # assert_eq!(toml::from_str::<burn_apollo::Plan>(&toml::to_string(&plan)?)?, plan);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_early_sampler(
        mut self,
        sampler: impl Into<DepthSamplerConfig>,
        until: Until,
    ) -> Self {
        self.early_samplers.push(EarlySampler { sampler: sampler.into(), until });
        self
    }

    /// The distribution of the depth at an optimizer step, for a stack that holds `unique` layers of `target`.
    ///
    /// # Errors
    ///
    /// The sampler's.
    pub fn pmf(&self, step: u64, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
        self.pmf_in(self.sampler_part(step), unique, target)
    }

    /// Which of the samplers holds at a step, in their order.
    pub(crate) fn sampler_part(&self, step: u64) -> usize {
        let holds = |early: &EarlySampler| step < early.until.step(self.steps);
        self.early_samplers.iter().position(holds).unwrap_or(self.early_samplers.len())
    }

    /// All samplers, in their order.
    pub(super) fn samplers(&self) -> impl Iterator<Item = &DepthSamplerConfig> {
        self.early_samplers.iter().map(|early| &early.sampler).chain([&self.sampler])
    }

    /// The distribution that the sampler of a part of the run gives.
    pub(crate) fn pmf_in(
        &self,
        part: usize,
        unique: usize,
        target: usize,
    ) -> Result<DepthPmf, PlanError> {
        let sampler = self.early_samplers.get(part).map_or(&self.sampler, |early| &early.sampler);
        match unique {
            0 => Ok(DepthPmf::always(0)),
            _ => sampler.pmf(unique, target),
        }
    }

    /// The mean depth over these steps, of which there is one at least.
    pub(crate) fn mean_depth(
        &self,
        steps: Range<u64>,
        unique: usize,
        target: usize,
    ) -> Result<f64, PlanError> {
        let begins = self.sampler_begins(&steps);
        let ends = begins.iter().skip(1).copied().chain([steps.end]);
        let mut total = 0.0;
        for (begin, end) in begins.iter().copied().zip(ends) {
            let mean = self.pmf(begin, unique, target)?.mean();
            if end - begin == steps.end - steps.start {
                return Ok(mean);
            }
            total += (end - begin) as f64 * mean;
        }
        Ok(total / (steps.end - steps.start) as f64)
    }

    /// The first of these steps, and those at which another sampler takes over.
    fn sampler_begins(&self, steps: &Range<u64>) -> Vec<u64> {
        let ends = self.early_samplers.iter().map(|early| early.until.step(self.steps));
        let mut begins = vec![steps.start];
        begins.extend(ends.filter(|end| *end > steps.start && *end < steps.end));
        // Parts in a wrong order are refused by `check` alone.
        begins.sort_unstable();
        begins.dedup();
        begins
    }

    /// Parts of the run end in order, and within it.
    pub(super) fn check_early_samplers(&self) -> Result<(), PlanError> {
        let mut before = 0;
        for (part, EarlySampler { until, .. }) in self.early_samplers.iter().enumerate() {
            let (end, steps) = (until.step(self.steps), self.steps);
            let (found, expected) = match *until {
                Until::Fraction(fraction) if !(fraction > 0.0 && fraction <= 1.0) => {
                    (fraction, "a fraction above 0 and at most 1".to_owned())
                }
                Until::Step(_) if end == 0 || end > steps => {
                    (end as f64, format!("a step from 1 to the run's {steps}"))
                }
                _ if end < before => {
                    let expected = format!("no earlier than the end of the one before, {before}");
                    (end as f64, expected)
                }
                _ => {
                    before = end;
                    continue;
                }
            };
            return Err(PlanError::new(format!("early_samplers[{part}].until"), found, expected));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::depth::{ConstantHigh, ConstantLow, Uniform};

    fn plan(ends: &[Until]) -> Plan {
        let plan = Plan::new(100).with_sampler(ConstantHigh);
        let samplers: [DepthSamplerConfig; 2] = [ConstantLow.into(), Uniform.into()];
        let parts = ends.iter().zip(samplers);
        parts.fold(plan, |plan, (until, sampler)| plan.with_early_sampler(sampler, *until))
    }

    #[test]
    fn each_part_has_its_sampler() {
        let plan = plan(&[Until::Step(20), Until::Fraction(0.5)]);
        let mean = |step| plan.pmf(step, 2, 4).unwrap().mean();
        assert_eq!([0, 19, 20, 49, 50, 99].map(mean), [2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
        assert_eq!(plan.sampler_begins(&(0..100)), [0, 20, 50]);
        assert_eq!(plan.sampler_begins(&(20..50)), [20]);
        let mean = |steps| plan.mean_depth(steps, 2, 4).unwrap();
        assert_eq!(mean(0..100), (20.0 * 2.0 + 30.0 * 3.0 + 50.0 * 4.0) / 100.0);
        assert_eq!((mean(10..30), mean(60..70)), (2.5, 4.0));
    }

    #[test]
    fn a_part_without_steps_is_none() {
        let plan = plan(&[Until::Fraction(0.5), Until::Fraction(0.501)]);
        assert_eq!(plan.sampler_begins(&(0..100)), [0, 50]);
        assert_eq!([49, 50].map(|step| plan.sampler_part(step)), [0, 2]);
    }

    #[test]
    fn nonsense_is_refused() {
        let found = |ends: &[Until]| {
            plan(ends).check(&[12]).map_err(|error| error.to_string()).err().unwrap_or_default()
        };
        assert_eq!(found(&[Until::Step(20), Until::Step(100)]), "");
        for fraction in [0.0, 1.1, f64::NAN, f64::INFINITY] {
            let error = found(&[Until::Fraction(fraction)]);
            assert!(error.contains("must be a fraction above 0"), "{error}");
        }
        for step in [0, 101] {
            let error = found(&[Until::Step(step)]);
            assert!(error.contains("must be a step from 1 to the run's 100"), "{error}");
        }
        let wrong = [Until::Step(30), Until::Fraction(0.2)];
        let words = "must be no earlier than the end of the one before, 30, found 20";
        assert_eq!(found(&wrong), format!("`early_samplers[1].until` {words}"));
        // What needs no check still has an answer.
        assert_eq!(
            plan(&wrong).mean_depth(0..100, 2, 4).unwrap(),
            (30.0 * 2.0 + 70.0 * 4.0) / 100.0
        );
    }
}
