//! What a run is a function of.

use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn_apollo::NotFinite;
use serde::{Deserialize, Serialize};

use crate::error::{LabError, Result};

/// What a run is a function of: its folder's `config.json`, and a part of every checkpoint.
///
/// `T` is the task's own part, whose fields lie beside the others in the file; `P` is a [`Plan`](crate::Plan).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig<T, P> {
    /// The task's own part.
    #[serde(flatten)]
    pub task: T,
    /// Optimizer steps.
    pub steps: u64,
    /// Examples in a micro-batch; for the task to heed.
    pub batch: usize,
    /// Micro-batches in an optimizer step, whose gradients are averaged.
    pub accumulate: usize,
    /// The highest learning rate, reached after 2.5 % of the steps and lowered by one cosine over the rest.
    pub lr: f64,
    /// The optimizer.
    #[serde(default)]
    pub optimizer: OptimConfig,
    /// Seed of the weights, the depths and dropout; the task's data may follow from it too.
    pub seed: u64,
    /// What becomes of gradients that are not finite.
    pub not_finite: OnNotFinite,
    /// How the model grows.
    pub plan: P,
}

impl<T, P> RunConfig<T, P> {
    /// A run of so many steps with usual settings, of which each can be another.
    pub fn new(task: T, steps: u64, plan: P) -> Self {
        Self {
            task,
            steps,
            batch: 32,
            accumulate: 1,
            lr: 1e-3,
            optimizer: OptimConfig::default(),
            seed: 42,
            not_finite: OnNotFinite::Stop,
            plan,
        }
    }

    /// Refuses settings that no run can have.
    pub(crate) fn check(&self) -> Result<()> {
        let min_lr = self.optimizer.min_lr(self.lr);
        let wrong = |field, value: &dyn ToString, right| {
            Err(LabError::Setting { field, value: value.to_string(), right })
        };
        match self {
            Self { steps: 0, .. } => wrong("steps", &0, "at least 1"),
            Self { batch: 0, .. } => wrong("batch", &0, "at least 1"),
            Self { accumulate: 0, .. } => wrong("accumulate", &0, "at least 1"),
            Self { lr, .. } if !(*lr > 0.0 && *lr <= 1.0) => {
                wrong("lr", lr, "above 0 and at most 1")
            }
            Self { lr, .. } if !(0.0..=*lr).contains(&min_lr) => {
                wrong("optimizer.min_lr", &min_lr, "from 0 to `lr`")
            }
            _ => Ok(()),
        }
    }
}

/// What a run does when gradients are not finite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNotFinite {
    /// It ends with an error; the last good checkpoint is kept.
    #[default]
    Stop,
    /// The step counts, its update is left out.
    Skip,
    /// It goes back to the last good checkpoint, and on with other data.
    RollBack,
}

impl From<OnNotFinite> for NotFinite {
    fn from(on: OnNotFinite) -> Self {
        match on {
            OnNotFinite::Stop | OnNotFinite::RollBack => Self::Stop,
            OnNotFinite::Skip => Self::Skip,
        }
    }
}

/// The optimizer of a run: AdamW.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OptimConfig {
    /// Weight decay, on every parameter.
    pub weight_decay: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// What is added to the root of that mean.
    pub epsilon: f64,
    /// The learning rate at the end of the run; a tenth of the highest if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_lr: Option<f64>,
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self { weight_decay: 0.01, beta2: 0.95, epsilon: 1e-8, min_lr: None }
    }
}

impl OptimConfig {
    pub(crate) fn build(&self) -> ModuleOptimizer {
        AdamWConfig::new()
            .with_weight_decay(self.weight_decay as f32)
            .with_beta_2(self.beta2 as f32)
            .with_epsilon(self.epsilon as f32)
            .init()
    }

    /// The rate at the end of a run whose highest is `lr`.
    pub(crate) fn min_lr(&self, lr: f64) -> f64 {
        self.min_lr.unwrap_or(lr / 10.0)
    }
}
