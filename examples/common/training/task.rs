//! What an example trains: the part of a run that is its own.

use std::collections::BTreeMap;
use std::fmt;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor};
use burn_apollo::stack::Growable;
use serde::Serialize;

use crate::common::{Failure, run_error};

/// A model, its data and its loss.
pub trait Task {
    type Model: Growable;
    type Batch;

    /// What a batch is made of: tokens, images.
    const ITEMS: &'static str;

    /// The full model that training begins with.
    fn model(&self, device: &Device) -> Result<Self::Model, Failure>;

    /// The target depths of the model's stacks.
    fn targets(&self) -> Vec<usize>;

    /// The micro-batch of a number: a function of the number alone.
    fn batch(&self, number: u64, device: &Device) -> Result<Self::Batch, Failure>;

    /// What the loss is measured in.
    fn unit(&self) -> String;

    /// How many items a batch has.
    fn items(&self, batch: &Self::Batch) -> u64;

    /// The loss on a batch, `[1]`.
    fn loss(&self, model: &Self::Model, batch: Self::Batch) -> Tensor<1>;

    /// The model on data that it is not trained on.
    fn validate(&self, model: &Self::Model, device: &Device) -> Result<Score, Failure>;

    /// Measures of the finished model beside loss and accuracy, by name.
    fn measures(&self, _model: &Self::Model, _device: &Device) -> Result<Measures, Failure> {
        Ok(Measures::new())
    }

    /// What the finished model needs beside its weights: names of files and their contents.
    fn files(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }

    /// A simple model to compare with.
    fn baseline(&self, device: &Device) -> Result<Baseline, Failure>;

    /// Shows what the finished model can do.
    fn show(&self, model: &Self::Model, device: &Device) -> Result<String, Failure>;
}

/// Shares, from 0 to 1, by name.
pub type Measures = BTreeMap<&'static str, f64>;

/// How good a simple model is on the validation data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    pub name: &'static str,
    pub measure: Measure,
    pub value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    Loss,
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
    pub loss: f64,
    /// The share of right answers.
    pub accuracy: f64,
}

impl Score {
    /// Of `logits` `[answers, classes]` against the right classes `[answers]`.
    pub fn of(logits: Tensor<2>, right: Tensor<1, Int>) -> Result<Self, Failure> {
        let found = logits.clone().argmax(1).squeeze_dim::<1>(1);
        let accuracy = found.equal(right.clone()).float().mean();
        let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, right);
        Ok(Self {
            loss: loss.try_into_scalar().map_err(run_error)?,
            accuracy: accuracy.try_into_scalar().map_err(run_error)?,
        })
    }

    /// The mean over batches, each with its number of answers.
    pub fn mean(
        parts: impl IntoIterator<Item = Result<(Score, f64), Failure>>,
    ) -> Result<Self, Failure> {
        let (mut loss, mut accuracy, mut count) = (0.0, 0.0, 0.0);
        for part in parts {
            let (score, answers) = part?;
            loss += answers * score.loss;
            accuracy += answers * score.accuracy;
            count += answers;
        }
        Ok(Self { loss: loss / count, accuracy: accuracy / count })
    }
}
