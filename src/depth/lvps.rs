use serde::{Deserialize, Serialize};

use super::{DepthPmf, DepthSampler};
use crate::plan_error::PlanError;

/// Low-value-prioritized sampling (LVPS), the sampler of Apollo: shallow, cheap depths dominate.
///
/// With `r = L/N`, `b = r + excess` and `e = end`, a uniform `x` on `[x_min, 1]` gives
/// `y = clamp(m/(x + n), 1, r)` and `D = floor(y·N)`, a hyperbola through `(x_min, b)` and `(1, e)`:
/// `n = (b·x_min − e)/(e − b)`, `m = e·(n + 1)`. Hence, in closed form,
/// `P(D ≥ d) = clamp((m·N/d − n − x_min)/(1 − x_min), 0, 1)` for `N < d ≤ L`.
///
/// Source: Pan, Yuan et al., "Preparing Lessons for Progressive Training on Language Models", AAAI
/// 2024 (arXiv 2401.09192); the defaults are the paper's. Unlike the authors' script, depths come
/// from exact arithmetic, so full depth is reached for every `(N, L)`.
///
/// ```
/// use burn_apollo::depth::{DepthSampler, Lvps};
///
/// let pmf = Lvps::default().pmf(1, 12)?;
/// assert!((pmf.mean() - 1.767).abs() < 5e-4);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lvps {
    /// By how much the hyperbola starts above `L/N`; greater gives deep steps more often. Paper: 0.4.
    pub excess: f64,
    /// Where the hyperbola ends; smaller gives deep steps less often. Paper: 0.6.
    pub end: f64,
    /// The least value of the uniform draw. Paper: 1e-6.
    pub x_min: f64,
}

impl Default for Lvps {
    fn default() -> Self {
        Self { excess: 0.4, end: 0.6, x_min: 1e-6 }
    }
}

impl Lvps {
    fn check(&self) -> Result<(), PlanError> {
        let Self { excess, end, x_min } = *self;
        let finite = excess >= 0.0 && excess.is_finite();
        PlanError::unless(finite, "lvps.excess", excess, "finite and at least 0")?;
        for (field, found) in [("lvps.end", end), ("lvps.x_min", x_min)] {
            let inside = found > 0.0 && found < 1.0;
            PlanError::unless(inside, field, found, "between 0 and 1, both excluded")?;
        }
        Ok(())
    }
}

impl DepthSampler for Lvps {
    fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
        self.check()?;
        let (begin, end, x0) = (target as f64 / unique as f64 + self.excess, self.end, self.x_min);
        let n = (begin * x0 - end) / (end - begin);
        let m = end * (n + 1.0);
        DepthPmf::from_survival(unique, target, |d| {
            ((m * unique as f64 / d as f64 - n - x0) / (1.0 - x0)).clamp(0.0, 1.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_paper() {
        // Closed form of the authors' sampler for L = 12: (N, E[D], P(D = N), P(D = L)).
        for (unique, mean, low, high) in [
            (1, 1.767, 0.7356, 0.0017),
            (3, 4.226, 0.6368, 0.0158),
            (6, 7.135, 0.6476, 0.0667),
            (12, 12.0, 1.0, 1.0),
        ] {
            let pmf = Lvps::default().pmf(unique, 12).unwrap();
            assert!((pmf.mean() - mean).abs() < 5e-4, "N={unique}: {}", pmf.mean());
            assert!((pmf.probability(unique) - low).abs() < 5e-5, "N={unique}");
            assert!((pmf.probability(12) - high).abs() < 5e-5, "N={unique}");
        }
    }

    #[test]
    fn full_depth_is_reached_for_every_pair() {
        // The authors' floating-point script never samples L for 392 of these pairs.
        for target in 1..=128 {
            for unique in 1..=target {
                assert!(Lvps::default().pmf(unique, target).unwrap().probability(target) > 0.0);
            }
        }
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        for (sampler, name) in [
            (Lvps { end: 1.0, ..Default::default() }, "end"),
            (Lvps { end: f64::NAN, ..Default::default() }, "end"),
            (Lvps { x_min: 0.0, ..Default::default() }, "x_min"),
            (Lvps { excess: -0.1, ..Default::default() }, "excess"),
            (Lvps { excess: f64::INFINITY, ..Default::default() }, "excess"),
        ] {
            assert_eq!(sampler.pmf(1, 2).unwrap_err().field, format!("lvps.{name}"));
        }
        assert_eq!(
            Lvps::default().pmf(0, 4).unwrap_err().to_string(),
            "`unique` must be from 1 to the target depth of 4, found 0"
        );
    }
}
