use serde::{Deserialize, Serialize};

use super::{Expander, LayerMap};
use crate::plan_error::PlanError;

/// Whole copies on top of each other; a short last chunk takes the top layers (StackBERT, Gong et
/// al., ICML 2019; "stack" in the Apollo authors' code).
///
/// ```
/// use burn_apollo::expand::{Expander, Stacking};
///
/// assert_eq!(Stacking.map(3, 8)?.as_slice(), [0, 1, 2, 0, 1, 2, 1, 2]);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stacking;

impl Expander for Stacking {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError> {
        PlanError::check_layers("source", source, target)?;
        let (copies, rest) = (target / source, target % source);
        let whole = (0..copies).flat_map(|_| 0..source);
        LayerMap::new(source, whole.chain(source - rest..source).collect())
    }
}
