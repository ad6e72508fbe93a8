//! What is trained: the part of a run that is its user's own.

use std::collections::BTreeMap;
use std::fmt;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor};
use burn_apollo::cost::ModelCost;
use burn_apollo::stack::Growable;
use serde::Serialize;

use crate::error::Result;

/// A model, its data and its loss.
///
/// [`Training`](crate::Training) calls [`model`](Self::model) once and then, step by step, [`batch`](Self::batch) and
/// [`loss`](Self::loss) for every micro-batch, and [`validate`](Self::validate) at every checkpoint. Errors that tell what
/// the user gave and cannot be used are made by [`LabError::usage`](crate::LabError::usage), others by
/// [`LabError::failed`](crate::LabError::failed); those of the device convert by `?`.
///
/// The crate's documentation shows [a whole task](crate#a-task-of-ones-own).
pub trait Task: Sync {
    /// The model.
    type Model: Growable;
    /// A part of the data, on a device.
    type Batch: Send;

    /// What a batch is made of, for the speed of a run: tokens, images.
    const ITEMS: &'static str = "items";

    /// The names of all files that [`files`](Self::files) may give: what a run leaves that is to be replaced.
    const FILES: &'static [&'static str] = &[];

    /// The full model that training begins with, all of its layers unique. The device is seeded with the run's seed
    /// before, so that equal seeds give equal weights.
    ///
    /// # Errors
    ///
    /// A model that cannot be made.
    fn model(&self, device: &Device) -> Result<Self::Model>;

    /// The micro-batch of a number. A function of the number and of what the task was made with, such as the run's seed: on that
    /// depends that a resumed run is the same.
    ///
    /// # Errors
    ///
    /// Data that cannot be read.
    fn batch(&self, number: u64, device: &Device) -> Result<Self::Batch>;

    /// How many items a batch has: of a sequence model its tokens or time steps, so that operations, counted for each, and the
    /// items that each parameter sees mean what they mean elsewhere.
    fn items(&self, batch: &Self::Batch) -> u64;

    /// The mean loss on a batch, `[1]`.
    fn loss(&self, model: &Self::Model, batch: Self::Batch) -> Tensor<1>;

    /// Whether the loss draws no random numbers, as dropout does: then micro-batches may be computed at the same time.
    fn is_deterministic(&self) -> bool {
        false
    }

    /// The model on data that it is not trained on: the same at every call.
    ///
    /// # Errors
    ///
    /// Data that cannot be read, and what the device cannot do.
    fn validate(&self, model: &Self::Model, device: &Device) -> Result<Score>;

    /// Operations of a forward pass of one item, for the layers and the rest: see [`ModelCost`]. If not given, two for each
    /// parameter.
    fn cost(&self, model: &Self::Model) -> ModelCost {
        let rest = model.num_params() as f64;
        let mut layers = Vec::new();
        for stack in model.stacks() {
            layers.push(2.0 * stack.layer_params() as f64);
        }
        let in_layers: f64 = model
            .stacks()
            .iter()
            .zip(&layers)
            .map(|(s, l)| s.unique_layers() as f64 * l / 2.0)
            .sum();
        ModelCost::of_layers(layers, 2.0 * (rest - in_layers).max(0.0))
    }

    /// What the loss is measured in, such as `nats per image`; nothing if it has no name.
    fn unit(&self) -> String {
        String::new()
    }

    /// Measures of the finished model beside loss and accuracy, by name.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    fn measures(&self, _model: &Self::Model, _device: &Device) -> Result<Measures> {
        Ok(Measures::new())
    }

    /// Shares of right answers of the finished model by their position in a sequence, from the first; empty where answers have
    /// none.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    fn by_position(&self, _model: &Self::Model, _device: &Device) -> Result<Vec<f64>> {
        Ok(Vec::new())
    }

    /// What the finished model needs beside its weights: names of files and their contents.
    fn files(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }

    /// A simple model to compare with.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    fn baseline(&self, _device: &Device) -> Result<Option<Baseline>> {
        Ok(None)
    }

    /// Shows in words what the finished model can do.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    fn show(&self, _model: &Self::Model, _device: &Device) -> Result<Option<String>> {
        Ok(None)
    }
}

/// Shares, from 0 to 1, by name.
pub type Measures = BTreeMap<&'static str, f64>;

/// How good a simple model is on the validation data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// What the model is.
    pub name: &'static str,
    /// What was measured.
    pub measure: Measure,
    /// How good it is.
    pub value: f64,
}

/// What a [`Baseline`] is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The loss.
    Loss,
    /// The share of right answers.
    Accuracy,
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.measure {
            Measure::Loss => write!(f, "{}: {:.4}", self.name, self.value),
            Measure::Accuracy => write!(f, "{}: {:.2} % right", self.name, 100.0 * self.value),
        }
    }
}

/// How good a model is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// The mean loss.
    pub loss: f64,
    /// The share of right answers, where there are right ones.
    pub accuracy: Option<f64>,
}

impl Score {
    /// Of `logits` `[answers, classes]` against the right classes `[answers]`: the cross-entropy in nats.
    ///
    /// # Errors
    ///
    /// What the device cannot do.
    pub fn of(logits: Tensor<2>, right: Tensor<1, Int>) -> Result<Self> {
        let found = logits.clone().argmax(1).squeeze_dim::<1>(1);
        let accuracy = found.equal(right.clone()).float().mean();
        let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, right);
        Ok(Self { loss: loss.try_into_scalar()?, accuracy: Some(accuracy.try_into_scalar()?) })
    }

    /// The mean over batches, each with its number of answers; without an accuracy if one of them has none.
    ///
    /// # Errors
    ///
    /// The first error of the batches.
    pub fn mean(parts: impl IntoIterator<Item = Result<(Score, f64)>>) -> Result<Self> {
        let (mut loss, mut accuracy, mut count) = (0.0, Some(0.0), 0.0);
        for part in parts {
            let (score, answers) = part?;
            loss += answers * score.loss;
            accuracy = accuracy.zip(score.accuracy).map(|(sum, one)| sum + answers * one);
            count += answers;
        }
        Ok(Self { loss: loss / count, accuracy: accuracy.map(|sum| sum / count) })
    }
}

/// The full model's layers, stack by stack.
pub(crate) fn targets(model: &impl Growable) -> Vec<usize> {
    model.stacks().iter().map(|stack| stack.target_depth()).collect()
}

/// How many layers a model runs, over all stacks.
pub(crate) fn depth(model: &impl Growable) -> usize {
    model.stacks().iter().map(|stack| stack.order().len()).sum()
}

/// Items of an optimizer step: those of the first batch in each of its micro-batches.
pub(crate) fn items_per_step<T: Task>(task: &T, accumulate: usize, device: &Device) -> Result<u64> {
    Ok(task.items(&task.batch(0, device)?) * accumulate as u64)
}
