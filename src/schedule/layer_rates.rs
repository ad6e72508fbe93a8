use serde::{Deserialize, Serialize};

use super::Until;
use crate::plan_error::PlanError;

/// The learning rate of each layer of a stack, by the layer's age: a factor on the rate that the scheduler gives it.
///
/// A layer that the last growth made has age 0, one that the growth before it made has age 1, and so on; before the
/// first growth all layers have age 0. The first copy of a layer is that layer still, with its parameter ids and its
/// optimizer state, and gets older; the further copies are new. [`Registry`](crate::registry::Registry) says which is
/// which. Ages follow from the growths, so they are the same after a resume.
///
/// A factor of 0 freezes: the optimizer gets no gradient of such a layer, and neither decays its weights nor changes its
/// state. The backward pass computes the gradient all the same, because the layers below want theirs. Parameters
/// outside of the stacks keep their rate.
///
/// In TOML or JSON the name `equal`, or a table:
///
/// ```toml
/// layer_rates = { by_age = [1.0, 0.3, 0.0] }   # new layers, those of the growth before, all older ones
/// layer_rates = { by_age_until = { factors = [1.0, 0.0], until = { fraction = 0.8 } } }
/// ```
///
/// Training the new layers of each stage alone, and all of them at the end, is what MSLT does (Yang et al. 2020, arXiv
/// 2011.13635).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LayerRates {
    /// The same for all.
    #[default]
    Equal,
    /// The factor of each age from 0; the last one holds for all older layers.
    ByAge(Vec<f64>),
    /// As [`ByAge`](Self::ByAge) for the first part of the run; then all layers are trained alike.
    ByAgeUntil {
        /// The factor of each age from 0; the last one holds for all older layers.
        factors: Vec<f64>,
        /// Where that ends.
        until: Until,
    },
}

impl LayerRates {
    /// The factor on the learning rate of a layer at an optimizer step of a run of so many.
    ///
    /// ```
    /// use burn_apollo::schedule::{LayerRates, Until};
    ///
    /// let rates = LayerRates::ByAge(vec![1.0, 0.3, 0.0]);
    /// assert_eq!([0, 1, 2, 9].map(|age| rates.factor(age, 50, 100)), [1.0, 0.3, 0.0, 0.0]);
    /// let (factors, until) = (vec![1.0, 0.0], Until::Fraction(0.8));
    /// let rates = LayerRates::ByAgeUntil { factors, until };
    /// assert_eq!([79, 80].map(|step| rates.factor(1, step, 100)), [0.0, 1.0]);
    /// ```
    pub fn factor(&self, age: usize, step: u64, steps: u64) -> f64 {
        let factors = match self {
            Self::Equal => return 1.0,
            _ if self.end(steps).is_some_and(|end| step >= end) => return 1.0,
            Self::ByAge(factors) | Self::ByAgeUntil { factors, .. } => factors,
        };
        factors.get(age).or(factors.last()).copied().unwrap_or(1.0)
    }

    /// The step from which on all layers are trained alike.
    pub(crate) fn end(&self, steps: u64) -> Option<u64> {
        match self {
            Self::ByAgeUntil { until, .. } => Some(until.step(steps)),
            Self::Equal | Self::ByAge(_) => None,
        }
    }

    /// Checks the factors.
    ///
    /// # Errors
    ///
    /// A factor that is not finite or below 0; none at all, or 0 for the youngest layers; an end that is a fraction outside
    /// of 0 to 1.
    pub fn check(&self) -> Result<(), PlanError> {
        let (list, factors) = match self {
            Self::Equal => return Ok(()),
            Self::ByAge(factors) => ("layer_rates.by_age", factors),
            Self::ByAgeUntil { factors, .. } => ("layer_rates.by_age_until.factors", factors),
        };
        if let Self::ByAgeUntil { until: Until::Fraction(end), .. } = *self {
            let field = "layer_rates.by_age_until.until.fraction";
            PlanError::unless((0.0..=1.0).contains(&end), field, end, "between 0 and 1")?;
        }
        if let Some(factor) = factors.iter().find(|f| !(f.is_finite() && **f >= 0.0)) {
            return Err(PlanError::new(list, factor, "finite and at least 0"));
        }
        let Some(first) = factors.first() else {
            return Err(PlanError::new(list, "none", "at least one factor"));
        };
        let expected = "above 0, or no layer would be trained";
        PlanError::unless(*first > 0.0, &format!("{list}[0]"), first, expected)
    }

    pub(crate) fn are_equal(&self) -> bool {
        *self == Self::Equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        for factors in [vec![], vec![0.0, 1.0], vec![1.0, -0.1], vec![1.0, f64::NAN]] {
            assert!(LayerRates::ByAge(factors.clone()).check().is_err(), "{factors:?}");
        }
        assert!(LayerRates::ByAge(vec![1.0, 0.0, 2.0]).check().is_ok());
        assert!(LayerRates::Equal.check().is_ok());
        let (factors, until) = (vec![0.0], Until::Step(3));
        let error = LayerRates::ByAgeUntil { factors, until }.check().unwrap_err().to_string();
        assert!(error.starts_with("`layer_rates.by_age_until.factors[0]` must be"), "{error}");
        for (end, is_ok) in [(0.8, true), (1.0, true), (1.1, false), (f64::NAN, false)] {
            let (factors, until) = (vec![1.0, 0.0], Until::Fraction(end));
            assert_eq!(LayerRates::ByAgeUntil { factors, until }.check().is_ok(), is_ok, "{end}");
        }
    }

    /// As a stage of the same fraction does.
    #[test]
    fn a_fraction_ends_at_the_nearest_step() {
        let (factors, until) = (vec![1.0, 0.0], Until::Fraction(0.3));
        let rates = LayerRates::ByAgeUntil { factors, until };
        assert_eq!([0, 1, 2].map(|step| rates.factor(1, step, 5)), [0.0, 0.0, 1.0]);
    }
}
