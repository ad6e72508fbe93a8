//! What a run leaves in its folder.

use serde::{Deserialize, Serialize};

use crate::task::{Baseline, Measures};

/// The table of steps, see [`Row`].
pub const STEPS: &str = "steps.csv";
/// The table of validations, see [`ValidationRow`].
pub const VALIDATION: &str = "validation.csv";
/// What the finished run came to, see [`Summary`].
pub const SUMMARY: &str = "summary.json";
/// Where every parameter of the finished model comes from: a [`Registry`](burn_apollo::registry::Registry).
pub const REGISTRY: &str = "registry.json";
/// What TensorBoard reads, if [asked for](crate::TensorBoard): `train_loss`, `lr`, `virtual_depth` and
/// `unique_layers` of every step, `val_loss` of the full model and `operations` so far at every validation, and
/// `val_loss_at_unique_layers` while the model is not full.
pub const EVENTS: &str = "events.out.tfevents.run";
/// The finished model: a plain Burn record without a trace of Apollo.
pub const MODEL: &str = "model.bpk";

/// A row of `steps.csv`: everything that two equal runs share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The optimizer step, from 0.
    pub step: u64,
    /// The stage of the plan, from 0.
    pub stage: usize,
    /// Unique layers, over all stacks.
    pub unique_layers: usize,
    /// Layers that the step ran; of the first micro-batch, where each has a depth of its own.
    pub virtual_depth: usize,
    /// The learning rate.
    pub lr: f64,
    /// The loss, the mean over the step's micro-batches.
    pub train_loss: f64,
    /// Items that the step saw.
    pub items: u64,
}

/// A row of `validation.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationRow {
    /// Optimizer steps done.
    pub step: u64,
    /// The stage of the plan, from 0.
    pub stage: usize,
    /// Unique layers, over all stacks.
    pub unique_layers: usize,
    /// Layers that the model ran.
    pub depth: usize,
    /// The mean loss.
    pub val_loss: f64,
    /// The share of right answers; empty where there are none.
    pub val_accuracy: Option<f64>,
    /// Operations (FLOPs) of training so far, by the task's [`cost`](crate::Task::cost).
    pub operations: f64,
}

/// The content of `summary.json`.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Summary<'a, C> {
    /// The run's configuration.
    pub config: &'a C,
    /// The growths, in order.
    pub growths: Vec<Growth>,
    /// The finished model's loss.
    pub val_loss: f64,
    /// The finished model's share of right answers.
    pub val_accuracy: Option<f64>,
    /// The task's own measures.
    #[serde(skip_serializing_if = "Measures::is_empty")]
    pub measures: Measures,
    /// Shares of right answers by their position.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_position: Vec<f64>,
    /// A simple model to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// Layers run forward and backward, each use on each micro-batch.
    pub layer_passes: u64,
    /// Operations (FLOPs) of training, by the task's [`cost`](crate::Task::cost).
    pub operations: f64,
    /// Operations that as many steps of training from scratch would have taken.
    pub operations_from_scratch: f64,
    /// Seconds that the steps took, over all processes of the run, validation and checkpoints aside.
    pub seconds: f64,
    /// Seconds of processor time, over all threads, that the steps took.
    pub cpu_seconds: f64,
    /// The finished model's parameters.
    pub parameters: usize,
    /// Items per second, since the run was last taken up.
    pub items_per_second: f64,
}

/// A growth of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Growth {
    /// The first step after it.
    pub step: u64,
    /// Unique layers before, over all stacks.
    pub from: usize,
    /// Unique layers after.
    pub to: usize,
}
