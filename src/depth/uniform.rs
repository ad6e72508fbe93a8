use serde::{Deserialize, Serialize};

use super::{DepthPmf, DepthSampler};
use crate::plan_error::PlanError;

/// Every depth in `N..=L` equally often (ablation in Apollo, arXiv 2401.09192).
///
/// ```
/// use burn_apollo::depth::{DepthSampler, Uniform};
///
/// assert!((Uniform.pmf(1, 12)?.mean() - 6.5).abs() < 1e-12);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uniform;

impl DepthSampler for Uniform {
    fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
        PlanError::check_layers("unique", unique, target)?;
        DepthPmf::from_weights(unique, vec![1.0; target - unique + 1])
    }
}
