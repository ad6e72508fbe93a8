use serde::{Deserialize, Serialize};

use super::{DepthPmf, DepthSampler};
use crate::plan_error::PlanError;

/// Always the target depth: all layers tied at full depth, untied stage by stage.
///
/// Saves no compute per step. Ablation in Apollo (arXiv 2401.09192); with one early untying this is
/// share-then-unshare (SWE, Yang et al., arXiv 2110.03848).
///
/// ```
/// use burn_apollo::depth::{ConstantHigh, DepthSampler};
///
/// assert_eq!(ConstantHigh.pmf(3, 12)?.mean(), 12.0);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConstantHigh;

/// Always the unique layers: growth without depth sampling, as in StackBERT (Gong et al., ICML
/// 2019), G_stack (Du et al., NeurIPS 2024) and training from scratch.
///
/// ```
/// use burn_apollo::depth::{ConstantLow, DepthSampler};
///
/// assert_eq!(ConstantLow.pmf(3, 12)?.mean(), 3.0);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConstantLow;

impl DepthSampler for ConstantHigh {
    fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
        DepthPmf::from_survival(unique, target, |_| 1.0)
    }
}

impl DepthSampler for ConstantLow {
    fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
        DepthPmf::from_survival(unique, target, |_| 0.0)
    }
}
