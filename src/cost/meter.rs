use serde::{Deserialize, Serialize};

use super::ModelCost;

/// Counts the operations of a run as it goes; a checkpoint can hold it.
///
/// ```
/// use burn_apollo::cost::{Meter, ModelCost};
///
/// let model = ModelCost::of_layer(100.0, 50.0);
/// let mut meter = Meter::default();
/// meter.count(&model, &[3], 8); // after each micro-batch: the depths that it ran at, and its items
/// assert_eq!(meter.operations(), 3.0 * 350.0 * 8.0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Meter {
    operations: f64,
}

impl Meter {
    /// Counts a forward and a backward pass of `items` items, with each stack at its depth.
    pub fn count(&mut self, model: &ModelCost, depths: &[usize], items: u64) {
        self.operations += model.training(depths) * items as f64;
    }

    /// Counts what another meter has counted.
    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
    }

    /// Operations counted so far.
    pub fn operations(&self) -> f64 {
        self.operations
    }
}
