use serde::{Deserialize, Serialize};

use super::{DepthPmf, DepthSampler};
use crate::plan_error::PlanError;

/// Depths from a falling sigmoid: mass at both ends of `N..=L`, little between.
///
/// With `r = L/N`, `b = r + 0.4` and `e = 0.6`, a uniform `x` on `[1e-6, 1]` gives
/// `y = (b − e)/(1 + exp(20(x − 0.5))) + e`, clamped to `[1, r]`, and `D = floor(y·N)`. Here in
/// closed form: `P(D ≥ d)` is the share of `x` below `0.5 + ln((b − e)/(d/N − e) − 1)/20`.
///
/// Source: ablation in Apollo (arXiv 2401.09192) and the authors' code.
///
/// ```
/// use burn_apollo::depth::{DepthSampler, Sigmoid};
///
/// assert!((Sigmoid.pmf(3, 12)?.mean() - 7.393).abs() < 5e-4);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sigmoid;

const EXCESS: f64 = 0.4;
const END: f64 = 0.6;
const X_MIN: f64 = 1e-6;
const SLOPE: f64 = 20.0;

impl DepthSampler for Sigmoid {
    fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
        let begin = target as f64 / unique as f64 + EXCESS;
        DepthPmf::from_survival(unique, target, |d| {
            let odds = (begin - END) / (d as f64 / unique as f64 - END) - 1.0;
            ((0.5 + odds.ln() / SLOPE - X_MIN) / (1.0 - X_MIN)).clamp(0.0, 1.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_the_authors_code() {
        // Numerical integration of the authors' formula over x with 2·10⁶ points.
        for (unique, mean) in [(1, 6.332499), (3, 7.392992), (6, 8.937359), (12, 12.0)] {
            let pmf = Sigmoid.pmf(unique, 12).unwrap();
            assert!((pmf.mean() - mean).abs() < 2e-6, "N={unique}: {}", pmf.mean());
        }
    }
}
