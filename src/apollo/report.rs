use core::fmt;

use serde::{Deserialize, Serialize};

use crate::expand::LayerMap;
use crate::optim::StateReport;

/// What an optimizer step did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// The optimizer step that was taken, from 0.
    pub step: u64,
    /// The stage that it ran in.
    pub stage: usize,
    /// Unique layers that it ran with, over all stacks.
    pub unique_layers: usize,
    /// Virtual depth that it ran at, stack by stack: of the first micro-batch, where each draws its own.
    pub depths: Vec<usize>,
    /// The plan's factor on its learning rate.
    pub lr_factor: f64,
    /// Why parameters and optimizer were left as they were, with
    /// [`NonFiniteGradients::Skip`](super::NonFiniteGradients::Skip): the path of a parameter whose gradient is not finite.
    pub skipped: Option<String>,
    /// The growth that followed.
    pub growth: Option<GrowthReport>,
}

impl StepReport {
    /// Virtual depth, over all stacks.
    pub fn depth(&self) -> usize {
        self.depths.iter().sum()
    }
}

/// What a growth did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GrowthReport {
    /// Optimizer steps done before the growth: the number of the first step after it.
    pub step: u64,
    /// The stage that began.
    pub stage: usize,
    /// Stack by stack.
    pub stacks: Vec<StackGrowth>,
    /// Parameters (numbers, not tensors) of the model before the growth.
    pub params_before: usize,
    /// Parameters of the model after it.
    pub params_after: usize,
    /// The optimizer's state.
    pub state: StateReport,
    /// The factor on the learning rate of the next step.
    pub lr_factor: f64,
}

/// What a growth did to one stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StackGrowth {
    /// Unique layers before.
    pub from: usize,
    /// Unique layers after.
    pub to: usize,
    /// The source of each layer; none where the layers came from the stack's initialiser.
    pub map: Option<LayerMap>,
    /// Parameters (tensors) of the new layers that began as zero, by [`NewLayers`](crate::expand::NewLayers).
    pub zeroed: usize,
}

impl fmt::Display for GrowthReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {} from step {}: ", self.stage, self.step)?;
        for (i, stack) in self.stacks.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            match &stack.map {
                Some(map) => write!(f, "{separator}layers {map}")?,
                None => write!(f, "{separator}layers {} → {}: new", stack.from, stack.to)?,
            }
            if stack.zeroed > 0 {
                write!(f, " ({} parameters zero)", stack.zeroed)?;
            }
        }
        write!(
            f,
            "; parameters {} → {}; optimizer state tensors {} → {}",
            self.params_before,
            self.params_after,
            self.state.tensors_before,
            self.state.tensors_after
        )
    }
}
