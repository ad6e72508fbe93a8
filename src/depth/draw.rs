use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::Distribution;
use serde::{Deserialize, Serialize};

use super::DepthPmf;

/// How often a new depth is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DrawPer {
    /// Once per optimizer step: all micro-batches and all devices of a step run at the same depth.
    #[default]
    OptimizerStep,
    /// Once per micro-batch, as in the Apollo authors' code: with gradient accumulation, the `k`-th
    /// micro-batch that a device runs within an optimizer step takes the `k`-th draw of that step.
    /// Devices agree as long as each is used by one worker only.
    MicroBatch,
}

/// The depth of one step: a pure function of its arguments, with no generator to keep or to save.
///
/// The generator is ChaCha with 8 rounds. Its key comes from `seed` (by
/// [`SeedableRng::seed_from_u64`]), its stream is the optimizer `step` (from 0), and its block
/// position is `2⁶³ + micro_batch · 2¹⁶ + stack`, far from where other users of the same key and stream would
/// begin. `micro_batch` counts from 0 within the step and stays 0
/// with [`DrawPer::OptimizerStep`]; `stack` is the place of the layer stack in its model. Values are
/// part of the public contract: a release that changes them says "value-breaking" in the changelog.
///
/// ```
/// use burn_apollo::depth::{DepthSampler, Lvps, draw};
///
/// let pmf = Lvps::default().pmf(3, 12)?;
/// let depths: Vec<usize> = (0..8).map(|step| draw(&pmf, 42, step, 0, 0)).collect();
/// assert_eq!(depths, [3, 3, 3, 3, 3, 6, 3, 6]);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
pub fn draw(pmf: &DepthPmf, seed: u64, step: u64, micro_batch: u64, stack: u16) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    rng.set_block_pos((1 << 63) | (micro_batch << 16) | u64::from(stack));
    pmf.sample(&mut rng)
}
