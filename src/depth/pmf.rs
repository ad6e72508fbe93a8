use rand::Rng;
use rand_distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;

use crate::plan_error::PlanError;

/// The exact probability of every virtual depth in one stage.
///
/// Sampling goes through an alias table (Walker 1977, as in [`rand_distr`]), built once, so a draw
/// costs the same for every depth.
///
/// ```
/// use burn_apollo::depth::{DepthSampler, Lvps};
///
/// let pmf = Lvps::default().pmf(6, 12)?;
/// assert!((pmf.mean() - 7.135).abs() < 5e-4);
/// assert!((pmf.probability(12) - 0.0667).abs() < 5e-5);
/// assert_eq!(pmf.probability(5), 0.0);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone)]
pub struct DepthPmf {
    lowest: usize,
    probabilities: Vec<f64>,
    alias: WeightedAliasIndex<f64>,
}

impl DepthPmf {
    /// A distribution from one weight per depth, the first for depth `lowest`; weights need not sum to 1.
    ///
    /// # Errors
    ///
    /// A weight that is negative, infinite or not a number; weights that are missing or all zero; a depth beyond any model's.
    pub fn from_weights(lowest: usize, weights: Vec<f64>) -> Result<Self, PlanError> {
        PlanError::check_depth(lowest.saturating_add(weights.len().saturating_sub(1)))?;
        if let Some(i) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
            let found = format!("{} for depth {}", weights[i], lowest + i);
            return Err(PlanError::new("weights", found, "finite and at least 0"));
        }
        let total: f64 = weights.iter().sum();
        let no_weight = || PlanError::new("weights", total, "above 0 and finite in sum");
        if !(total > 0.0 && total.is_finite()) {
            return Err(no_weight());
        }
        let probabilities: Vec<f64> = weights.iter().map(|w| w / total).collect();
        let alias = WeightedAliasIndex::new(probabilities.clone()).map_err(|_| no_weight())?;
        Ok(Self { lowest, probabilities, alias })
    }

    /// A distribution on `unique..=target` from its survival function `P(D ≥ d)`, asked for each
    /// `d` in `unique + 1..=target`.
    ///
    /// # Errors
    ///
    /// Unless `1 ≤ unique ≤ target`, and where the survival function rises or is not a number.
    pub fn from_survival(
        unique: usize,
        target: usize,
        survival: impl Fn(usize) -> f64,
    ) -> Result<Self, PlanError> {
        PlanError::check_layers("unique", unique, target)?;
        let between = (unique + 1..=target).map(survival);
        let at_least: Vec<f64> = [1.0].into_iter().chain(between).chain([0.0]).collect();
        Self::from_weights(unique, at_least.windows(2).map(|w| w[0] - w[1]).collect())
    }

    /// The distribution that always gives `depth`.
    pub fn always(depth: usize) -> Self {
        Self {
            lowest: depth,
            probabilities: vec![1.0],
            alias: WeightedAliasIndex::new(vec![1.0])
                .expect("one positive weight is a distribution"),
        }
    }

    /// The least depth of the support.
    pub fn lowest(&self) -> usize {
        self.lowest
    }

    /// The greatest depth of the support.
    pub fn highest(&self) -> usize {
        self.lowest + self.probabilities.len() - 1
    }

    /// `P(D = depth)`; 0 outside the support.
    pub fn probability(&self, depth: usize) -> f64 {
        let place = depth.checked_sub(self.lowest);
        place.and_then(|i| self.probabilities.get(i)).copied().unwrap_or(0.0)
    }

    /// Depths with their probabilities, from the shallowest.
    pub fn iter(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.probabilities.iter().enumerate().map(|(i, &p)| (self.lowest + i, p))
    }

    /// The expected depth.
    pub fn mean(&self) -> f64 {
        self.iter().map(|(d, p)| d as f64 * p).sum()
    }
}

impl Distribution<usize> for DepthPmf {
    fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> usize {
        self.lowest + self.alias.sample(rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_are_no_distribution_are_refused() {
        let weights = |w: &[f64]| DepthPmf::from_weights(3, w.to_vec()).unwrap_err().to_string();
        for none in [&[][..], &[0.0, 0.0]] {
            let error = weights(none);
            assert!(
                error.starts_with("`weights` must be above 0 and finite in sum, found"),
                "{error}"
            );
        }
        let words = "`weights` must be finite and at least 0, found";
        assert_eq!(weights(&[1.0, -0.5]), format!("{words} -0.5 for depth 4"));
        assert_eq!(weights(&[f64::NAN]), format!("{words} NaN for depth 3"));
        assert_eq!(weights(&[f64::INFINITY]), format!("{words} inf for depth 3"));
    }

    #[test]
    fn rising_survival_is_refused() {
        let rising = DepthPmf::from_survival(1, 3, |d| d as f64 / 4.0).unwrap_err();
        assert_eq!(rising.found, "-0.25 for depth 2");
    }

    #[test]
    fn the_greatest_depth_is_one_that_can_be_drawn() {
        use crate::depth::{DepthSampler, Uniform};

        const LIMIT: usize = 1 << 20;
        let uniform = |target| Uniform.pmf(1, target).map(|pmf| pmf.highest());
        assert_eq!(uniform(LIMIT), Ok(LIMIT));
        let too_deep = Err(PlanError::new("depth", LIMIT + 1, "at most 1048576"));
        assert_eq!(uniform(LIMIT + 1), too_deep);
        assert_eq!(DepthPmf::from_weights(LIMIT, vec![1.0]).map(|pmf| pmf.lowest()), Ok(LIMIT));
        let beyond = DepthPmf::from_weights(LIMIT, vec![1.0; 2]).map(|pmf| pmf.lowest());
        assert_eq!(beyond, too_deep);
    }

    #[test]
    fn weights_are_normalised() {
        let pmf = DepthPmf::from_weights(2, vec![1.0, 3.0]).unwrap();
        assert_eq!((pmf.lowest(), pmf.highest()), (2, 3));
        assert_eq!(pmf.probability(3), 0.75);
        assert_eq!(pmf.probability(1), 0.0);
        assert_eq!(pmf.mean(), 2.75);
    }
}
