use burn_apollo::GrowthReport;

use crate::results::{Row, ValidationRow};

/// What sees a run's moments, to show them, to log them elsewhere or to stop the clock.
///
/// In a step, the moments come in this order: every [`micro_batch`](Self::micro_batch), the [`growth`](Self::growth)
/// that the step's end brings, and where a checkpoint is due every [`loss`](Self::loss) that is not read yet, the
/// [`validation`](Self::validation)s and the [`checkpoint`](Self::checkpoint). A run waits for its observer, and nothing
/// that an observer does changes what it computes. [Branches](crate::Run::branch) are observed too.
pub trait Observer {
    /// The gradients of a micro-batch are added up.
    fn micro_batch(&self, _number: u64) {}

    /// The model has grown.
    fn growth(&self, _report: &GrowthReport) {}

    /// The loss of a step is read: some steps after it was computed, for reading makes the device wait.
    fn loss(&self, _row: &Row) {}

    /// The model was validated at a depth.
    fn validation(&self, _row: &ValidationRow) {}

    /// A checkpoint is on the disk.
    fn checkpoint(&self, _step: u64) {}

    /// The run is back at the checkpoint of a step, for numbers went bad after it.
    fn roll_back(&self, _step: u64) {}
}

/// Nobody.
impl Observer for () {}
