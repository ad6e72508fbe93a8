use core::fmt;

use serde::{Deserialize, Serialize};

use super::ExpandError;

/// For each layer of a stack of [`target`](Self::target) layers, the source layer it comes from.
///
/// Every source layer is used at least once.
///
/// ```
/// use burn_apollo::expand::{ExpandError, LayerMap};
///
/// let map = LayerMap::new(2, vec![0, 1, 1])?;
/// assert_eq!(map.copies(1), 2);
/// assert_eq!(LayerMap::new(2, vec![0, 2]), Err(ExpandError::Source { layer: 1, found: 2, source_layers: 2 }));
/// # Ok::<(), ExpandError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawMap", into = "RawMap")]
pub struct LayerMap {
    source: usize,
    layers: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
struct RawMap {
    source: usize,
    layers: Vec<usize>,
}

impl From<LayerMap> for RawMap {
    fn from(map: LayerMap) -> Self {
        Self { source: map.source, layers: map.layers }
    }
}

impl TryFrom<RawMap> for LayerMap {
    type Error = ExpandError;

    fn try_from(raw: RawMap) -> Result<Self, ExpandError> {
        Self::new(raw.source, raw.layers)
    }
}

/// More layers than any model has.
const LIMIT: usize = 1 << 20;

/// What every expander can be asked for.
pub(super) fn check_range(source: usize, target: usize) -> Result<(), ExpandError> {
    match (source, target) {
        (_, target) if target > LIMIT => Err(ExpandError::TooManyLayers { target, limit: LIMIT }),
        (source, target) if source == 0 || source > target => {
            Err(ExpandError::Range { source_layers: source, target })
        }
        _ => Ok(()),
    }
}

impl LayerMap {
    /// A map from `source` layers to `layers.len()`.
    ///
    /// # Errors
    ///
    /// [`ExpandError::Source`] for an index that is no source layer, [`ExpandError::Unused`] for a
    /// source layer that is not in `layers`.
    pub fn new(source: usize, layers: Vec<usize>) -> Result<Self, ExpandError> {
        if let Some((layer, &found)) = layers.iter().enumerate().find(|(_, s)| **s >= source) {
            return Err(ExpandError::Source { layer, found, source_layers: source });
        }
        if source > layers.len() {
            return Err(ExpandError::Range { source_layers: source, target: layers.len() });
        }
        let mut used = vec![false; source];
        layers.iter().for_each(|&s| used[s] = true);
        if let Some(layer) = used.iter().position(|u| !u) {
            return Err(ExpandError::Unused { layer });
        }
        Ok(Self { source, layers })
    }

    /// The map of `layers` layers to themselves.
    pub fn identity(layers: usize) -> Self {
        Self { source: layers, layers: (0..layers).collect() }
    }

    /// The number of source layers.
    pub fn source(&self) -> usize {
        self.source
    }

    /// The number of layers mapped to source layers.
    pub fn target(&self) -> usize {
        self.layers.len()
    }

    /// The source layer of each layer, in order.
    pub fn as_slice(&self) -> &[usize] {
        &self.layers
    }

    /// How many layers come from source layer `source`.
    pub fn copies(&self, source: usize) -> usize {
        self.layers.iter().filter(|s| **s == source).count()
    }

    /// Whether layer `layer` is the first that comes from its source: the one that keeps the
    /// source's parameter ids at a growth. `false` beyond the map.
    pub fn is_first_copy(&self, layer: usize) -> bool {
        self.layers.get(layer).is_some_and(|s| !self.layers[..layer].contains(s))
    }
}

impl fmt::Display for LayerMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers: Vec<String> = self.layers.iter().map(usize::to_string).collect();
        write!(f, "{} → {}: [{}]", self.source, self.target(), layers.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_maps_are_refused() {
        assert_eq!(LayerMap::new(3, vec![0, 1, 1]), Err(ExpandError::Unused { layer: 2 }));
        assert_eq!(
            LayerMap::new(3, vec![0, 1]),
            Err(ExpandError::Range { source_layers: 3, target: 2 })
        );
        assert_eq!(
            LayerMap::new(usize::MAX, vec![]),
            Err(ExpandError::Range { source_layers: usize::MAX, target: 0 })
        );
    }

    #[test]
    fn first_copies() {
        let map = LayerMap::new(2, vec![1, 0, 1]).unwrap();
        assert_eq!([0, 1, 2, 3].map(|i| map.is_first_copy(i)), [true, true, false, false]);
    }
}
