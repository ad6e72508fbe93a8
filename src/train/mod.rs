//! [`Apollo`](crate::Apollo) inside burn-train.
//!
//! A [`Trainable`] goes where the model went in burn-train's `Learner`. What burn-train's hooks cannot return, it keeps:
//! an error stops the training through its interrupter and comes back from [`Trainable::into_apollo`]; losses for a
//! growth policy come through a [`LossRecorder`] that the model holds; [`StepMetric`] shows depth and layers, and
//! [`SetCheckpointers`] write one checked set per epoch. [`KeepError`] keeps why a training ended, which burn-train's terminal
//! display forgets.

mod checkpointers;
mod keep_error;
mod loss_recorder;
mod metric;
mod micro_batch;
mod monitor;
mod trainable;

pub use checkpointers::SetCheckpointers;
pub use keep_error::KeepError;
pub use loss_recorder::LossRecorder;
pub use metric::StepMetric;
pub use trainable::Trainable;

/// The optimizer steps that burn-train takes in `epochs` epochs of `items` items, in batches of `batch`, with gradients
/// accumulated over `accumulation` batches (1 without): what [`Plan::new`](crate::Plan::new) wants to know.
///
/// burn-train takes a step at the end of an epoch in any case. With several devices, a batch is one of each.
///
/// ```
/// // 10 epochs of 4 batches, the last of them smaller: a step after 3 and one after the last.
/// assert_eq!(burn_apollo::train::optimizer_steps(10, 100, 32, 3), 20);
/// ```
#[must_use]
pub fn optimizer_steps(epochs: usize, items: usize, batch: usize, accumulation: usize) -> u64 {
    let steps = items.div_ceil(batch.max(1)).div_ceil(accumulation.max(1));
    (epochs as u64).saturating_mul(steps as u64)
}
