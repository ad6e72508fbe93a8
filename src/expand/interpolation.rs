use serde::{Deserialize, Serialize};

use super::{Expander, LayerMap};
use crate::plan_error::PlanError;

/// Neighbouring copies: layer `i` comes from `floor(i·N/L)` (Apollo, arXiv 2401.09192; "extend" in
/// the authors' code, which computes it in floating point and misses it for some pairs).
///
/// ```
/// use burn_apollo::expand::{Expander, Interpolation};
///
/// assert_eq!(Interpolation.map(3, 6)?.as_slice(), [0, 0, 1, 1, 2, 2]);
/// assert_eq!(Interpolation.map(14, 18)?.as_slice()[9], 7); // 6 in floating point
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpolation;

impl Expander for Interpolation {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError> {
        PlanError::check_layers("source", source, target)?;
        LayerMap::new(source, (0..target).map(|i| i * source / target).collect())
    }
}
