//! What a run leaves behind.

use serde::{Deserialize, Serialize};

use crate::common::text::corpus::TOKENIZER;
use crate::common::training::task::{Baseline, Measures};

pub const STEPS: &str = "steps.csv";
pub const VALIDATION: &str = "validation.csv";
pub const SUMMARY: &str = "summary.json";
/// The file of the finished model: a plain Burn record without a trace of Apollo.
pub const MODEL: &str = "model.bpk";
pub const RESULTS: [&str; 5] = [STEPS, VALIDATION, SUMMARY, MODEL, TOKENIZER];

/// A row of `steps.csv`: everything that two equal runs share.
#[derive(Serialize)]
pub struct Row {
    pub step: u64,
    pub stage: usize,
    pub unique_layers: usize,
    /// Of the first micro-batch, where each has a depth of its own.
    pub virtual_depth: usize,
    pub lr: f64,
    pub train_loss: f64,
    pub items: u64,
}

/// A row of `validation.csv`.
#[derive(Serialize)]
pub struct ValidationRow {
    pub step: u64,
    pub stage: usize,
    pub unique_layers: usize,
    pub depth: usize,
    pub val_loss: f64,
    pub val_accuracy: f64,
}

#[derive(Serialize)]
pub struct Summary<'a, C> {
    pub config: &'a C,
    pub growths: Vec<Growth>,
    pub val_loss: f64,
    pub val_accuracy: f64,
    #[serde(flatten)]
    pub measures: Measures,
    pub baseline: Baseline,
    /// Layers run forward and backward, each use on each micro-batch.
    pub layer_passes: u64,
    pub parameters: usize,
    pub items_per_second: f64,
}

#[derive(Serialize, Deserialize)]
pub struct Growth {
    pub step: u64,
    pub from: usize,
    pub to: usize,
}
