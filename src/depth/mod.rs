//! Depth sampling: at which virtual depth a training step runs.
//!
//! A stage that holds `N` unique layers of a target depth `L` runs every step at a *virtual depth*
//! `D`, `N ≤ D ≤ L`. A [`DepthSampler`] gives the exact distribution of `D` as a [`DepthPmf`], which
//! is built when a stage begins; [`draw`] takes one value from it as a pure function of a seed and the
//! optimizer step. A [`DepthSamplerConfig`] is one of them as data, for a plan. No tensor is known here.
//!
//! | sampler | distribution of `D` | source |
//! |---|---|---|
//! | [`Lvps`] | hyperbola that favours shallow depths | Apollo (arXiv 2401.09192), section "LVPS" |
//! | [`Uniform`] | uniform on `N..=L` | Apollo, ablation |
//! | [`Sigmoid`] | falling sigmoid, shallow and deep favoured | Apollo, ablation |
//! | [`ConstantHigh`] | always `L` | Apollo, ablation; share-then-unshare (arXiv 2110.03848) |
//! | [`ConstantLow`] | always `N`: growth without depth sampling | StackBERT, G_stack, MIDAS |

mod config;
mod constant;
mod draw;
mod lvps;
mod pmf;
mod sigmoid;
mod uniform;

pub use config::DepthSamplerConfig;
pub use constant::{ConstantHigh, ConstantLow};
pub use draw::{DrawPer, draw};
pub use lvps::Lvps;
pub use pmf::DepthPmf;
pub use sigmoid::Sigmoid;
pub use uniform::Uniform;

use core::fmt::Debug;

use crate::plan_error::PlanError;

/// The distribution of the virtual depth in each stage.
///
/// # Contract
///
/// [`Apollo`](crate::Apollo) calls [`pmf`](Self::pmf) for every stage and stack when a run is set up, so that a wrong
/// sampler is found before the run, and again when a stage or the sampler's part of the run begins (also after a resume); it draws from the result at
/// every step. The answer must depend on
/// the arguments and the sampler's own parameters alone: all devices and all resumed runs rely on
/// getting the same one. `unique` is at least 1 and at most `target`; a stage without layers runs at
/// depth 0 and asks no sampler. Depths outside `unique..=target` are refused.
///
/// # Example
///
/// A sampler that runs half of the steps at the unique layers and half at full depth:
///
/// ```
/// use burn_apollo::depth::{DepthPmf, DepthSampler};
/// use burn_apollo::plan::PlanError;
///
/// #[derive(Debug)]
/// struct Ends;
///
/// impl DepthSampler for Ends {
///     fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError> {
///         let mut weights = vec![0.0; target - unique + 1];
///         weights[0] += 0.5;
///         weights[target - unique] += 0.5;
///         DepthPmf::from_weights(unique, weights)
///     }
/// }
///
/// let pmf = Ends.pmf(3, 12)?;
/// assert_eq!(pmf.probability(3), 0.5);
/// assert_eq!(pmf.mean(), 7.5);
/// # Ok::<(), PlanError>(())
/// ```
///
/// A sampler that keeps state or draws by itself would be *wrong*: resumed runs and other devices
/// would run other depths.
pub trait DepthSampler: Debug + Send + Sync {
    /// The distribution of the depth for `unique` layers of `target`.
    ///
    /// # Errors
    ///
    /// When the sampler's parameters give no distribution for these numbers of layers.
    fn pmf(&self, unique: usize, target: usize) -> Result<DepthPmf, PlanError>;
}

const _: Option<&dyn DepthSampler> = None; // stays object-safe
