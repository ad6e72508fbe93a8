//! [`Apollo`](crate::Apollo) inside burn-train.
//!
//! A [`Trainable`] goes where the model went in burn-train's `Learner`. What burn-train's hooks cannot return, it keeps:
//! an error stops the training through its interrupter and comes back from [`Trainable::into_apollo`]; losses for a
//! growth policy come through a [`LossRecorder`] that the model holds; [`StepMetric`] shows depth and layers, and
//! [`SetCheckpointers`] write one checked set per epoch.

mod checkpointers;
mod loss_recorder;
mod metric;
mod micro_batch;
mod monitor;
mod trainable;

pub use checkpointers::{RecordCheckpointer, SetCheckpointers, SetRecord};
pub use loss_recorder::LossRecorder;
pub use metric::StepMetric;
pub use trainable::Trainable;
