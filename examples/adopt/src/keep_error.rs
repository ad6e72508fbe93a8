use std::sync::{Arc, OnceLock};

use burn::train::logger::TrainingProgressLogger;
use burn::train::{Interrupter, TrainingError};

/// Keeps the error that a training ends with: burn-train's terminal display resets the interrupter that holds it before
/// the training's result is made.
#[derive(Clone)]
pub struct KeepError {
    interrupter: Interrupter,
    error: Arc<OnceLock<Arc<TrainingError>>>,
}

impl KeepError {
    pub fn of(interrupter: &Interrupter) -> Self {
        Self { interrupter: interrupter.clone(), error: Arc::default() }
    }

    pub fn error(&self) -> Option<&TrainingError> {
        self.error.get().map(Arc::as_ref)
    }
}

impl TrainingProgressLogger for KeepError {
    /// The display is told next.
    fn end(&mut self) {
        if let Some(error) = self.interrupter.error() {
            let _ = self.error.set(error);
        }
    }

    fn start(
        &mut self,
        _epochs: usize,
        _first: usize,
        _items: Option<usize>,
        _label: Option<&str>,
    ) {
    }
    fn update_epoch(&mut self, _epoch: usize) {}
    fn start_split(&mut self, _split: &str, _items: usize) {}
    fn update_split(&mut self, _items: usize) {}
    fn end_split(&mut self) {}
    fn log_event_training(&mut self, _event: String) {}
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
