use core::fmt;

use serde::{Deserialize, Serialize};

use crate::plan_error::PlanError;

/// For each layer of a stack of [`target`](Self::target) layers, the source layer it comes from.
///
/// Every source layer is used at least once.
///
/// ```
/// use burn_apollo::expand::LayerMap;
/// use burn_apollo::plan::PlanError;
///
/// let map = LayerMap::new(2, vec![0, 1, 1])?;
/// assert_eq!(map.copies(1), 2);
/// let error = LayerMap::new(2, vec![0, 2]).unwrap_err();
/// assert_eq!(error.to_string(), "`layers[1]` must be below the 2 source layers, found 2");
/// # Ok::<(), PlanError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawMap")]
pub struct LayerMap {
    source: usize,
    layers: Vec<usize>,
}

/// A map that was read and is yet to be checked.
#[derive(Deserialize)]
struct RawMap {
    source: usize,
    layers: Vec<usize>,
}

impl TryFrom<RawMap> for LayerMap {
    type Error = PlanError;

    fn try_from(raw: RawMap) -> Result<Self, PlanError> {
        Self::new(raw.source, raw.layers)
    }
}

impl LayerMap {
    /// A map from `source` layers to `layers.len()`.
    ///
    /// # Errors
    ///
    /// An index that is no source layer, and a source layer that is not in `layers`.
    pub fn new(source: usize, layers: Vec<usize>) -> Result<Self, PlanError> {
        if let Some(layer) = layers.iter().position(|s| *s >= source) {
            let expected = format!("below the {source} source layers");
            return Err(PlanError::new(format!("layers[{layer}]"), layers[layer], expected));
        }
        if source > layers.len() {
            let expected = format!("at most the {} layers of the map", layers.len());
            return Err(PlanError::new("source", source, expected));
        }
        let mut used = vec![false; source];
        layers.iter().for_each(|&s| used[s] = true);
        if let Some(unused) = used.iter().position(|u| !u) {
            let found = format!("none from source layer {unused}");
            return Err(PlanError::new("layers", found, "from every source layer"));
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
        let error = |source, layers| LayerMap::new(source, layers).unwrap_err().to_string();
        assert_eq!(
            error(3, vec![0, 1, 1]),
            "`layers` must be from every source layer, found none from source layer 2"
        );
        let words = |source, layers| {
            format!("`source` must be at most the {layers} layers of the map, found {source}")
        };
        assert_eq!(error(3, vec![0, 1]), words(3, 2));
        assert_eq!(error(usize::MAX, vec![]), words(usize::MAX, 0));
    }

    #[test]
    fn first_copies() {
        let map = LayerMap::new(2, vec![1, 0, 1]).unwrap();
        assert_eq!([0, 1, 2, 3].map(|i| map.is_first_copy(i)), [true, true, false, false]);
    }
}
