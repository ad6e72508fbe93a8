use serde::{Deserialize, Serialize};

use crate::plan_error::PlanError;

/// What the learning rate does at a growth, on top of any scheduler: a factor on its rate.
///
/// ```
/// use burn_apollo::schedule::LrAtGrowth;
///
/// let rewarm = LrAtGrowth::Rewarm { from: 0.0, steps: 4 };
/// let factors: Vec<f64> = (9..15).map(|step| rewarm.factor(step, &[10])).collect();
/// assert_eq!(factors, [1.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LrAtGrowth {
    /// The scheduler's rate goes on (Apollo; StackBERT; Bu, arXiv 2511.04981).
    #[default]
    Keep,
    /// The rate is multiplied by this factor at every growth, for the rest of the run.
    Scale(f64),
    /// The factor falls to `from` at a growth and rises in a straight line to 1 over `steps` optimizer
    /// steps (staged training, Shen et al., ICML 2022).
    Rewarm {
        /// The factor just before the first step after the growth, in `[0, 1]`.
        from: f64,
        /// Optimizer steps until the factor is 1 again.
        steps: u64,
    },
}

impl LrAtGrowth {
    /// The factor on the learning rate at optimizer step `step`, given the steps before which the run grew.
    pub fn factor(&self, step: u64, growths: &[u64]) -> f64 {
        let past = growths.iter().filter(|g| **g <= step);
        match *self {
            Self::Keep => 1.0,
            Self::Scale(factor) => factor.powi(past.count() as i32),
            Self::Rewarm { from, steps } => match past.max() {
                Some(last) if step - last < steps => {
                    from + (1.0 - from) * (step - last + 1) as f64 / (steps as f64 + 1.0)
                }
                _ => 1.0,
            },
        }
    }

    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// A factor that is not finite and positive, or a `from` outside `[0, 1]`.
    pub fn check(&self) -> Result<(), PlanError> {
        match *self {
            Self::Keep => Ok(()),
            Self::Scale(factor) => {
                let positive = factor > 0.0 && factor.is_finite();
                PlanError::unless(positive, "lr_at_growth.scale", factor, "finite and above 0")
            }
            Self::Rewarm { from, .. } => {
                let inside = (0.0..=1.0).contains(&from);
                PlanError::unless(inside, "lr_at_growth.rewarm.from", from, "between 0 and 1")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors() {
        assert_eq!(LrAtGrowth::Keep.factor(7, &[1, 5]), 1.0);
        let half = LrAtGrowth::Scale(0.5);
        assert_eq!([0, 1, 4, 5, 99].map(|s| half.factor(s, &[1, 5])), [1.0, 0.5, 0.5, 0.25, 0.25]);
        let rewarm = LrAtGrowth::Rewarm { from: 0.5, steps: 1 };
        assert_eq!([4, 5, 6].map(|s| rewarm.factor(s, &[1, 5])), [1.0, 0.75, 1.0]);
        assert_eq!(LrAtGrowth::Rewarm { from: 0.5, steps: 0 }.factor(5, &[5]), 1.0);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(LrAtGrowth::Scale(0.0).check().is_err());
        assert!(LrAtGrowth::Scale(f64::NAN).check().is_err());
        assert!(LrAtGrowth::Rewarm { from: -0.1, steps: 3 }.check().is_err());
        assert!(LrAtGrowth::Rewarm { from: f64::NAN, steps: 3 }.check().is_err());
        assert!(LrAtGrowth::Keep.check().is_ok());
    }
}
