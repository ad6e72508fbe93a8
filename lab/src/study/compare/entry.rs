use std::collections::BTreeMap;

use burn_apollo::cost::StageCost;
use serde::{Deserialize, Serialize};

use crate::config::OptimizerKind;
use crate::study::cells::CellKind;

/// A recipe with an optimizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// What is trained: the full model by a recipe, or a shallower one alone.
    pub kind: CellKind,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// The best learning rate of the grid.
    pub lr: f64,
    /// Whether the best rate lies at an end of the grid: a better one may lie beyond it.
    pub lr_at_end: bool,
    /// Its lengths, from the shortest.
    pub lengths: Vec<Length>,
    /// What it saves against training from scratch with the same optimizer.
    pub same: Saving,
    /// What it saves against training from scratch with the optimizer that does best there.
    pub best: Saving,
    /// Its loss, read at as many steps as the longest training from scratch with the same optimizer has, less that
    /// training's; none where its lengths do not reach so far.
    pub at_equal_steps: Option<Spread>,
    /// What it saves on the way to the losses of the trainings from scratch of each length, from the shortest.
    pub goals: Vec<Goal>,
    /// The longest training on its way, at its validations: steps, operations, and the full model's loss, means over the
    /// seeds.
    pub course: Vec<(f64, f64, f64)>,
    /// The stages of the longest training, with unique layers and expected depths.
    pub stages: Vec<StageCost>,
    /// The task's own measures of the longest trainings, one for each seed.
    pub measures: BTreeMap<String, Vec<f64>>,
    /// Shares of right answers of the longest trainings by their position, means over the seeds; empty where answers have none.
    pub by_position: Vec<f64>,
}

/// The trainings of a length: means over the seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Length {
    /// The operations that they should cost, as a share of the longest training from scratch.
    pub share: f64,
    /// Optimizer steps.
    pub steps: f64,
    /// Operations.
    pub operations: f64,
    /// Seconds of the steps, by the study's clock.
    pub seconds: f64,
    /// The final loss of the full model.
    pub loss: Spread,
    /// That less the loss of training from scratch with the same optimizer at the same length, seed by seed.
    pub difference: Option<Spread>,
}

/// What is saved on the way to the final loss of training from scratch, as shares of what that costs; seed by seed, those
/// seeds that reached it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Saving {
    /// Of operations.
    pub operations: Option<Spread>,
    /// Of seconds.
    pub seconds: Option<Spread>,
    /// Seeds that did not reach the loss within the lengths of the study.
    pub not_reached: usize,
    /// Seeds whose shortest length reaches the loss already: they may save more.
    pub at_least: usize,
}

/// What is saved on the way to the loss of a length of training from scratch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Goal {
    /// Items that this training from scratch sees for each parameter of the full model.
    pub items_per_parameter: f64,
    /// What is saved.
    pub saving: Saving,
}

/// A mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with one degree of freedom less than seeds; 0 for one seed.
    pub deviation: f64,
    /// How many.
    pub count: usize,
}

impl Spread {
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 };
        (count > 0).then_some(Self { mean, deviation, count })
    }
}

impl Entry {
    /// Its trainings of a length.
    pub(in crate::study) fn length(&self, share: f64) -> Option<&Length> {
        self.lengths.iter().find(|length| length.share == share)
    }

    /// Whether this is training from scratch, which the others are held against.
    pub fn is_scratch(&self) -> bool {
        self.kind == CellKind::Scratch
    }

    /// Whether a recipe that grows the model is compared here: neither training from scratch nor a shallower model.
    pub fn is_grown(&self) -> bool {
        matches!(self.kind, CellKind::Recipe(_))
    }

    /// Whether this is a model of fewer layers, trained from scratch and alone
    /// ([`StudyConfig::depths`](crate::study::StudyConfig::depths)).
    pub fn is_shallower(&self) -> bool {
        matches!(self.kind, CellKind::Depth(_))
    }
}

/// The entry of training from scratch with an optimizer.
pub(in crate::study) fn scratch(entries: &[Entry], optimizer: OptimizerKind) -> Option<&Entry> {
    entries.iter().find(|entry| entry.is_scratch() && entry.optimizer == optimizer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        let spread = Spread::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.mean, spread.deviation, spread.count), (2.0, 1.0, 3));
        assert_eq!(Spread::of(&[5.0]).unwrap().deviation, 0.0);
        assert_eq!(Spread::of(&[]), None);
    }
}
