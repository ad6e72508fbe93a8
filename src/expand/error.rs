use thiserror::Error;

/// What is wrong with a layer map.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// The layers cannot be mapped: there are none, or fewer are asked for than there are.
    #[error("cannot map {source_layers} layers to {target}: need 1 ≤ source ≤ target")]
    Range {
        /// Source layers.
        source_layers: usize,
        /// Layers asked for.
        target: usize,
    },
    /// A map names a source layer that does not exist.
    #[error(
        "layer {layer} of the map comes from {found}, but there are only {source_layers} source layers"
    )]
    Source {
        /// Index in the map.
        layer: usize,
        /// The source layer named there.
        found: usize,
        /// Source layers.
        source_layers: usize,
    },
    /// A source layer is used by no layer of the map, so its training would be lost.
    #[error("source layer {layer} is used nowhere in the map")]
    Unused {
        /// The unused source layer.
        layer: usize,
    },
    /// Blocks of layers of no layers.
    #[error("`block`: a block has at least 1 layer")]
    Block,
    /// New layers can only begin as the identity where the others stay in their order.
    #[error(
        "layer {layer} of the map comes from {found} before {missing} was used: layers in between that begin \
         as the identity change nothing only if the first copies stay in order"
    )]
    Order {
        /// Index in the map.
        layer: usize,
        /// The source layer named there.
        found: usize,
        /// A lower source layer that the map has not used before.
        missing: usize,
    },
    /// The noise of new layers has no size.
    #[error(
        "`new_layers.noisy.std` must be finite and above 0, found {found}; \"copies\" are without noise"
    )]
    Noise {
        /// The standard deviation found.
        found: f64,
    },
    /// An expander answered with a map for other numbers of layers.
    #[error(
        "an expander asked for {source_layers} → {target} layers answered with {found_source} → {found_target}"
    )]
    Contract {
        /// Source layers asked for.
        source_layers: usize,
        /// Target layers asked for.
        target: usize,
        /// Source layers of the answer.
        found_source: usize,
        /// Target layers of the answer.
        found_target: usize,
    },
    /// More layers than any model has: they would not fit into memory.
    #[error("cannot map to {target} layers: at most {limit}")]
    TooManyLayers {
        /// Layers asked for.
        target: usize,
        /// The greatest number of layers.
        limit: usize,
    },
    /// A name that is no expander's.
    #[error("`expander`: {name:?} is unknown; there are {} and tables for others", super::Expansion::NAMES.join(", "))]
    UnknownExpander {
        /// The name found.
        name: String,
    },
    /// A plan names an expander of a user's own, which the program has not supplied.
    #[error(
        "`expander`: the plan names {name:?}, which the program must supply: `plan.with_expander(Expansion::custom({name:?}, …)?)`"
    )]
    NotSupplied {
        /// The expander's name.
        name: String,
    },
}
