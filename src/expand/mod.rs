//! Layer maps: which source layer each layer of a deeper stack comes from.
//!
//! The same map serves two ends: every step it runs `N` unique layers at a virtual depth `D`, and
//! at a growth it says which old layer each new layer is a copy of. All arithmetic is on integers.
//! An [`ExpanderConfig`] is one of them as data, for a plan. No tensor is known here.
//!
//! | expander | 3 → 8 | growth changes nothing at virtual depth `D ≥ N'` |
//! |---|---|---|
//! | [`Interpolation`] | `0 0 0 1 1 1 2 2` | when `N'/N` is an integer |
//! | [`Stacking`] | `0 1 2 0 1 2 1 2` | only where whole copies meet |
//! | [`MiddleStacking`], block 1 | `0 1 1 1 1 1 1 2` | always, in whole blocks |
//!
//! [`NewLayers`] says what the new layers of a growth begin as: copies, or copies whose output projections are
//! zero, which change nothing at the unique layers, whatever the map and the ratio.

mod config;
mod interpolation;
mod map;
mod middle;
mod new_layers;
mod stacking;

pub use config::ExpanderConfig;
pub use interpolation::Interpolation;
pub use map::LayerMap;
pub use middle::MiddleStacking;
pub use new_layers::NewLayers;
pub use stacking::Stacking;

use core::fmt::Debug;

use crate::plan_error::PlanError;

/// A rule that maps the layers of a deeper stack to source layers.
///
/// # Contract
///
/// [`Apollo`](crate::Apollo) calls [`map`](Self::map) for the virtual depth of every stage and step
/// and for every growth, with `1 ≤ source ≤ target`. The answer must depend on the arguments and the
/// expander's own parameters alone: a resumed run asks again and must get the same map. The answer must
/// be a map from `source` layers to exactly `target`; [`LayerMap::new`] checks the rest.
///
/// # Example
///
/// New layers go on top, as copies of the top layer:
///
/// ```
/// use burn_apollo::expand::{Expander, LayerMap};
/// use burn_apollo::plan::PlanError;
///
/// #[derive(Debug)]
/// struct Top;
///
/// impl Expander for Top {
///     fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError> {
///         let copies = std::iter::repeat_n(source.saturating_sub(1), target.saturating_sub(source));
///         LayerMap::new(source, (0..source).chain(copies).collect())
///     }
/// }
///
/// assert_eq!(Top.map(4, 6)?.as_slice(), [0, 1, 2, 3, 3, 3]);
/// # Ok::<(), PlanError>(())
/// ```
pub trait Expander: Debug + Send + Sync {
    /// The map from `source` layers to `target`.
    ///
    /// # Errors
    ///
    /// When there is no such map, `source` being 0 or more than `target` for one.
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError>;
}

const _: Option<&dyn Expander> = None; // stays object-safe
