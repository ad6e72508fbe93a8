use core::fmt;
use std::sync::{Arc, OnceLock};

use burn::train::logger::TrainingProgressLogger;
use burn::train::{Interrupter, TrainingError};

/// Keeps the error that a training ends with: a checkpoint that could not be written, a worker that failed.
///
/// On a terminal, burn-train's display resets the interrupter that holds the error before the training's result is made, so
/// that `result.error` is always `None` there (0.22.1).
///
/// ```
/// use burn::train::{Interrupter, TrainingError};
/// use burn_apollo::train::KeepError;
/// # use burn::train::logger::TrainingProgressLogger;
///
/// # let interrupter = Interrupter::new();
/// // let interrupter = training.interrupter();
/// let errors = KeepError::of(&interrupter);
/// // training.with_progress_logger(errors.clone()) … let result = training.launch(learner);
/// # interrupter.fail(TrainingError::Workers(Vec::new()));
/// # errors.clone().end();
/// # interrupter.reset();
/// assert!(errors.error().is_some()); // in the place of result.error
/// ```
#[derive(Clone)]
pub struct KeepError {
    interrupter: Interrupter,
    error: Arc<OnceLock<Arc<TrainingError>>>,
}

impl fmt::Debug for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl KeepError {
    /// Of the training with this interrupter; give a clone to its `with_progress_logger`.
    pub fn of(interrupter: &Interrupter) -> Self {
        Self { interrupter: interrupter.clone(), error: Arc::default() }
    }

    /// The error that ended the training, if one did.
    pub fn error(&self) -> Option<&TrainingError> {
        self.error.get().map(Arc::as_ref)
    }
}

impl TrainingProgressLogger for KeepError {
    /// Before the display resets the interrupter.
    fn end(&mut self) {
        if let Some(error) = self.interrupter.error() {
            let _ = self.error.set(error);
        }
    }

    fn start(&mut self, _: usize, _: usize, _: Option<usize>, _: Option<&str>) {}
    fn update_epoch(&mut self, _: usize) {}
    fn start_split(&mut self, _: &str, _: usize) {}
    fn update_split(&mut self, _: usize) {}
    fn end_split(&mut self) {}
    fn log_event_training(&mut self, _: String) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_outlives_the_reset_of_the_interrupter() {
        let interrupter = Interrupter::new();
        let mut errors = KeepError::of(&interrupter);
        errors.end();
        assert!(errors.error().is_none());
        interrupter.fail(TrainingError::Workers(Vec::new()));
        errors.clone().end();
        interrupter.reset();
        errors.end();
        assert!(errors.error().is_some());
    }
}
