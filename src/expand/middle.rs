use core::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::{Expander, LayerMap};
use crate::plan_error::PlanError;

/// Copies of the middle layers, inserted after them.
///
/// With [`new`](Self::new) the middle block, as MIDAS has it (Saunshi et al., NeurIPS 2024, arXiv 2409.19044): of `k` whole
/// blocks of layers, counted from the bottom, number `⌈k/2⌉`. With [`centred`](Self::centred) as many layers at the exact
/// middle, wherever blocks begin, as LIDAS has it (Kapl et al. 2025, arXiv 2512.08819): those from number `⌊(n − b)/2⌋` on, of
/// `n` layers and a block of `b`.
///
/// A stage of the papers adds one block; more blocks are further copies of the same. Beyond the papers, so that every pair of
/// depths has a map: a short last chunk takes the block's top layers as in [`Stacking`](super::Stacking), layers above the
/// last whole block belong to none, and fewer layers than a block are one block. Block 1 duplicates the middle layer.
///
/// ```
/// use burn_apollo::expand::{Expander, MiddleStacking};
/// use burn_apollo::plan::PlanError;
///
/// assert_eq!(MiddleStacking::new(1)?.map(4, 6)?.as_slice(), [0, 1, 1, 1, 2, 3]);
/// assert_eq!(MiddleStacking::new(2)?.map(4, 6)?.as_slice(), [0, 1, 0, 1, 2, 3]);
/// assert_eq!(MiddleStacking::centred(2)?.map(4, 6)?.as_slice(), [0, 1, 2, 1, 2, 3]);
/// assert!(MiddleStacking::new(0).is_err());
/// # Ok::<(), PlanError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MiddleStacking {
    block: NonZeroUsize,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    centred: bool,
}

impl MiddleStacking {
    /// Blocks of `block` layers, of which the middle one is copied.
    ///
    /// # Errors
    ///
    /// Blocks of no layers.
    pub fn new(block: usize) -> Result<Self, PlanError> {
        let zero = || PlanError::new("middle_stacking.block", block, "at least 1 layer");
        Ok(Self { block: NonZeroUsize::new(block).ok_or_else(zero)?, centred: false })
    }

    /// The `block` layers at the exact middle are copied.
    ///
    /// # Errors
    ///
    /// No layers.
    pub fn centred(block: usize) -> Result<Self, PlanError> {
        Ok(Self { centred: true, ..Self::new(block)? })
    }

    /// Layers of a block.
    pub fn block(&self) -> usize {
        self.block.get()
    }
}

impl Expander for MiddleStacking {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError> {
        PlanError::check_layers("source", source, target)?;
        let block = self.block().min(source);
        let end = match self.centred {
            false => (source / block).div_ceil(2) * block,
            true => (source - block) / 2 + block,
        };
        let (copies, rest) = ((target - source) / block, (target - source) % block);
        let layers = (0..end)
            .chain((0..copies).flat_map(|_| end - block..end))
            .chain(end - rest..end)
            .chain(end..source);
        LayerMap::new(source, layers.collect())
    }
}
