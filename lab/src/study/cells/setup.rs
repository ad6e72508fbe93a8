use std::collections::BTreeMap;

use burn_apollo::cost::ModelCost;
use serde::{Deserialize, Serialize};

use super::config::StudyConfig;
use super::kind::CellKind;

/// What a study was asked for, and what of its task a report needs: with it, `compare.json` alone makes the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Setup {
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

impl Setup {
    /// The shape of the model that is trained.
    pub fn shape_of(&self, kind: &CellKind) -> &Shape {
        match kind {
            CellKind::Depth(depth) => self.shallower.get(depth).unwrap_or(&self.shape),
            _ => &self.shape,
        }
    }
}

/// What of a task the cells depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Shape {
    /// Layers of the full model, stack by stack.
    pub targets: Vec<usize>,
    pub cost: ModelCost,
    /// Items in a step.
    pub items: u64,
}
