use core::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::{ExpandError, Expander, LayerMap, map::check_range};

/// Copies of the middle block, inserted after it (MIDAS, Saunshi et al., NeurIPS 2024, arXiv 2409.19044).
///
/// Of `k` whole blocks of layers, counted from the bottom, the middle one is number `⌈k/2⌉`. A stage of the
/// paper adds one block; more blocks are further copies of the same, which is what stages of one block each
/// would add up to. Beyond the paper, so that every pair of depths has a map: a short last chunk takes the
/// block's top layers as in [`Stacking`](super::Stacking), layers above the last whole block belong to none,
/// and fewer layers than a block are one block. Block 1 duplicates the middle layer.
///
/// ```
/// use burn_apollo::expand::{ExpandError, Expander, MiddleStacking};
///
/// assert_eq!(MiddleStacking::new(1)?.map(4, 6)?.as_slice(), [0, 1, 1, 1, 2, 3]);
/// assert_eq!(MiddleStacking::new(2)?.map(6, 8)?.as_slice(), [0, 1, 2, 3, 2, 3, 4, 5]);
/// assert_eq!(MiddleStacking::new(0), Err(ExpandError::Block));
/// # Ok::<(), ExpandError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MiddleStacking {
    block: NonZeroUsize,
}

impl MiddleStacking {
    /// Blocks of `block` layers.
    ///
    /// # Errors
    ///
    /// [`ExpandError::Block`] for blocks of no layers.
    pub fn new(block: usize) -> Result<Self, ExpandError> {
        NonZeroUsize::new(block).map(|block| Self { block }).ok_or(ExpandError::Block)
    }

    /// Layers of a block.
    pub fn block(&self) -> usize {
        self.block.get()
    }
}

impl Expander for MiddleStacking {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, ExpandError> {
        check_range(source, target)?;
        let block = self.block().min(source);
        let end = (source / block).div_ceil(2) * block;
        let (copies, rest) = ((target - source) / block, (target - source) % block);
        let layers = (0..end)
            .chain((0..copies).flat_map(|_| end - block..end))
            .chain(end - rest..end)
            .chain(end..source);
        LayerMap::new(source, layers.collect())
    }
}
