use std::collections::BTreeMap;

use burn_apollo::cost::ModelCost;
use serde::{Deserialize, Serialize};

use super::StudyConfig;

/// What a study was asked for, and what of its task a report needs: with it, `compare.json` alone makes the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub config: StudyConfig,
    pub shape: Shape,
    /// Of the shallower models, by their layers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shallower: BTreeMap<usize, Shape>,
    /// What items are: tokens, images.
    pub items: String,
    /// What the loss is measured in; empty if it has no name.
    pub unit: String,
}

impl Asked {
    /// The shape of the model that is trained under a name: the full model, for a recipe's.
    pub(super) fn shape_of(&self, name: &str) -> &Shape {
        let shallower = self.config.depth_of(name).and_then(|depth| self.shallower.get(&depth));
        shallower.unwrap_or(&self.shape)
    }
}

/// What of a task the cells depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Shape {
    /// Layers of the full model, stack by stack.
    pub targets: Vec<usize>,
    pub cost: ModelCost,
    /// Items in a step.
    pub items: u64,
}
