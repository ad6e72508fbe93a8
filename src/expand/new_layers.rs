use serde::{Deserialize, Serialize};

use super::LayerMap;
use crate::plan_error::PlanError;

/// What the new layers of a growth begin as: all but the first copy of each source, and layers without a source.
///
/// # Copies
///
/// The default. New layers are what their [`Expander`](super::Expander) or the stack's initialiser says.
///
/// # Layers that begin as the identity
///
/// [`NewLayers::zeroed`] names the output projections of a layer's residual branches. In new layers, all named
/// parameters become zero, so that a pre-norm residual block `x + f(norm(x))` adds nothing: the grown model
/// computes what the model computed before, for any numbers of layers, while every parameter named gets a
/// gradient at once (Net2Net, arXiv 1511.05641; LEMON, arXiv 2310.07999; LLaMA-Pro, arXiv 2401.02415).
///
/// *What is preserved:* the function of the model run at its unique layers, each once, before and after the
/// growth; the outputs are equal up to the sign of zeros. That is every training step with
/// [`ConstantLow`](crate::depth::ConstantLow), and inference at
/// [`InferenceDepth::Unique`](crate::apollo::InferenceDepth::Unique). At other virtual depths, where layers are run
/// several times, nothing is promised. (Plain copies by interpolation preserve the function there instead: at
/// every virtual depth from the new number of layers on, for an integer ratio.)
///
/// *What it needs:* blocks that add their branches to an unnormalised stream. A post-norm block
/// `norm(x + f(x))`, BERT's, still normalises when `f` is zero, and is no identity. Name only the last factor
/// of a branch: with two zero factors in a row, neither ever gets a gradient. A batch norm at a branch's end is
/// zeroed by its `gamma` and `beta`; running statistics are never zeroed. The first copies must keep their
/// order, as in all maps of this module; others are refused.
///
/// *Optimizer state:* new layers start without any, whatever the
/// [`MomentPolicy`](crate::optim::MomentPolicy), because their gradients have nothing in common with their
/// source's: those of named parameters are another function's, and all others are zero at first. The originals
/// keep theirs unscaled, because the growth leaves their gradients as they were.
///
/// # Copies with noise
///
/// [`NewLayers::Noisy`] adds normal noise to every trained parameter of the new layers, so that copies of one layer are not
/// alike. Noise is drawn on the host, from the plan's seed, the stage, the stack and the layer's place; optimizer state goes
/// to the copies as without noise. A parameter that is zero everywhere (a bias that was not trained yet) stays so.
///
/// # Names
///
/// A name is a run of whole parts of a module path within the layer. It means the parameters whose path ends
/// with it, or, if there are none, those whose path it occurs in.
///
/// ```
/// use burn_apollo::expand::NewLayers;
///
/// let new = NewLayers::zeroed(["attn.c_proj", "mlp.c_proj.weight"]);
/// let layer = ["attn.c_attn.weight", "attn.c_proj.weight", "attn.c_proj.bias", "mlp.c_proj.weight"];
/// assert_eq!(new.zeroes(&layer), [false, true, true, true]);
/// assert_eq!(NewLayers::zeroed(["c_proj"]).zeroes(&layer), [false, true, true, true]);
/// assert_eq!(NewLayers::zeroed(["proj"]).zeroes(&layer), [false; 4]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NewLayers {
    /// Copies of their source as they are, or what the stack's initialiser makes.
    #[default]
    Copies,
    /// The same, but parameters of these names are zero: see [`NewLayers::zeroed`].
    Zeroed(Vec<String>),
    /// Copies whose trained parameters differ from their source's by noise; layers without a source as they are.
    Noisy {
        /// The noise's standard deviation, as a multiple of the parameter's root mean square: 0.1, say.
        std: f64,
    },
}

impl NewLayers {
    /// New layers in which the parameters of these names are zero, so that each begins as the identity.
    pub fn zeroed<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Zeroed(names.into_iter().map(Into::into).collect())
    }

    /// Whether new layers begin as the identity.
    pub(crate) fn are_identities(&self) -> bool {
        matches!(self, Self::Zeroed(_))
    }

    /// The names of parameters that become zero.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::Copies | Self::Noisy { .. } => &[],
            Self::Zeroed(names) => names,
        }
    }

    /// The relative standard deviation of what is added to copies.
    pub(crate) fn noise(&self) -> Option<f64> {
        match self {
            Self::Noisy { std } => Some(*std),
            Self::Copies | Self::Zeroed(_) => None,
        }
    }

    /// Noise has a size.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        let Some(std) = self.noise() else { return Ok(()) };
        let expected = "finite and above 0 (\"copies\" are without noise)";
        PlanError::unless(std.is_finite() && std > 0.0, "new_layers.noisy.std", std, expected)
    }

    /// Layers in between that do nothing leave the function alone if the others stay in order.
    pub(crate) fn check_map(&self, map: &LayerMap) -> Result<(), PlanError> {
        let mut next = 0;
        for (layer, &source) in map.as_slice().iter().enumerate() {
            if self.are_identities() && source > next {
                let found = format!("layer {layer} from {source} before {next} was used");
                let expected = "a map with the first copies in order, so that layers in between that begin as the \
                                identity change nothing";
                return Err(PlanError::new("expander", found, expected));
            }
            next = next.max(source + 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_need_the_others_in_order() {
        let map = LayerMap::new(3, vec![0, 2, 1]).unwrap();
        let zeroed = NewLayers::zeroed(["a"]);
        assert_eq!(NewLayers::Copies.check_map(&map), Ok(()));
        let error = zeroed.check_map(&map).unwrap_err().to_string();
        assert!(
            error.ends_with("change nothing, found layer 1 from 2 before 1 was used"),
            "{error}"
        );
        for map in [vec![0, 1, 2, 0, 1, 2], vec![0, 0, 1, 0, 2], vec![0, 1, 1, 0, 2, 1]] {
            assert_eq!(zeroed.check_map(&LayerMap::new(3, map).unwrap()), Ok(()));
        }
    }

    #[test]
    fn it_is_data() {
        let json = |new: &NewLayers| serde_json::to_string(new).unwrap();
        assert_eq!(json(&NewLayers::Copies), r#""copies""#);
        let zeroed = NewLayers::zeroed(["a.b"]);
        assert_eq!(json(&zeroed), r#"{"zeroed":["a.b"]}"#);
        assert_eq!(serde_json::from_str::<NewLayers>(&json(&zeroed)).unwrap(), zeroed);
        let noisy = NewLayers::Noisy { std: 0.1 };
        assert_eq!(json(&noisy), r#"{"noisy":{"std":0.1}}"#);
        assert_eq!(serde_json::from_str::<NewLayers>(&json(&noisy)).unwrap(), noisy);
    }
}
