use serde::{Deserialize, Serialize};

/// The depth at which a model runs after [`valid`](burn::module::Module::valid), in every stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InferenceDepth {
    /// Every unique layer once: the depth that [`Lvps`](crate::depth::Lvps) trains most. The default, by
    /// measurement: its loss foretells the full model's better (`docs/choices.md`).
    #[default]
    Unique,
    /// The target depth, by sharing where layers are missing.
    Full,
    /// A given depth, at least the unique layers.
    At(usize),
}

impl InferenceDepth {
    /// The depth of a stack with `unique` layers of `target`.
    pub(super) fn depth(self, unique: usize, target: usize) -> usize {
        match self {
            _ if unique == 0 => 0,
            Self::Unique => unique,
            Self::Full => target,
            Self::At(depth) => depth.clamp(unique, target),
        }
    }
}
