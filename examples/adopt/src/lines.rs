use std::collections::HashMap;
use std::io::Write;

use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId, NumericEntry};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};

/// A renderer of burn-train that writes a line per epoch, for where there is no terminal; into `std::io::sink()` it shows
/// nothing.
pub struct Lines<W> {
    to: W,
    epochs: usize,
    names: HashMap<MetricId, String>,
    /// The epoch's values so far, as text.
    values: Vec<String>,
}

impl<W: Write> Lines<W> {
    pub fn to(to: W) -> Self {
        Self { to, epochs: 0, names: HashMap::new(), values: Vec::new() }
    }

    /// Takes up a value of a whole epoch.
    fn value(&mut self, split: &str, state: MetricState) {
        if let MetricState::Numeric(entry, Some(NumericEntry::Final(value))) = state
            && let Some(name) = self.names.get(&entry.metric_id)
        {
            self.values.push(format!("{split} {name} {value:.4}"));
        }
    }
}

impl<W: Write + Send + Sync> MetricsRendererTraining for Lines<W> {
    fn update_train(&mut self, state: MetricState) {
        self.value("train", state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.value("valid", state);
    }
}

impl<W: Write + Send> TrainingProgressLogger for Lines<W> {
    fn start(&mut self, epochs: usize, _first: usize, _items: Option<usize>, _label: Option<&str>) {
        self.epochs = epochs;
    }

    fn update_epoch(&mut self, epoch: usize) {
        let values = std::mem::take(&mut self.values).join(", ").to_lowercase();
        // The training goes on where nobody reads it.
        let _ = writeln!(self.to, "epoch {epoch} of {}: {values}", self.epochs);
    }

    fn start_split(&mut self, _split: &str, _items: usize) {}
    fn update_split(&mut self, _items: usize) {}
    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, _event: String) {}
}

impl<W: Write + Send + Sync> MetricsRenderer for Lines<W> {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name.to_string());
    }
}

impl<W: Send + Sync> MetricsRendererEvaluation for Lines<W> {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
}

impl<W: Send> EvaluationProgressLogger for Lines<W> {
    fn start_global_progress(&mut self, _tests: usize) {}
    fn start_test(&mut self, _name: &str, _items: usize) {}
    fn update_test_progress(&mut self, _items: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _event: String) {}
}
