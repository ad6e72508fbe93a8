//! What a run is a function of, and what changes nothing of it.

mod optimizer;
mod options;

use burn_apollo::{Plan, apollo::NonFiniteGradients};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use optimizer::layer_weights;
pub use optimizer::{OptimConfig, OptimizerKind};
pub use options::Options;

use crate::error::{LabError, Result};

/// What a run is a function of: its folder's `config.json`, and a part of every checkpoint.
///
/// `T` is the task's own part, a struct, whose fields lie beside the others in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig<T> {
    /// The task's own part.
    #[serde(flatten)]
    pub task: T,
    /// Examples in a micro-batch; for the task to heed.
    pub batch: usize,
    /// Micro-batches in an optimizer step, whose gradients are averaged.
    pub accumulate: usize,
    /// The highest learning rate; the plan says what becomes of it over the run.
    pub lr: f64,
    /// The optimizer.
    #[serde(default)]
    pub optimizer: OptimConfig,
    /// What becomes of gradients that are not finite.
    pub not_finite: OnNotFinite,
    /// How long the run is, how the model grows, what the learning rate does; its seed is that of weights and dropout too,
    /// and the task's data may follow from it.
    pub plan: Plan,
}

impl<T> RunConfig<T> {
    /// A run by `plan` with usual settings, of which each can be another.
    pub fn new(task: T, plan: Plan) -> Self {
        Self {
            task,
            batch: 32,
            accumulate: 1,
            lr: 1e-3,
            optimizer: OptimConfig::default(),
            not_finite: OnNotFinite::Stop,
            plan,
        }
    }

    /// Refuses settings that no run can have.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self { batch: 0, .. } => Err(LabError::setting("batch", 0, "at least 1")),
            Self { accumulate: 0, .. } => Err(LabError::setting("accumulate", 0, "at least 1")),
            Self { lr, .. } if !(*lr > 0.0 && *lr <= 1.0) => {
                Err(LabError::setting("lr", lr, "above 0 and at most 1"))
            }
            Self { optimizer: OptimConfig { clip: Some(clip), .. }, .. }
                if !(*clip > 0.0 && clip.is_finite()) =>
            {
                Err(LabError::setting("optimizer.clip", clip, "finite and above 0"))
            }
            _ => Ok(()),
        }
    }
}

impl<T: Serialize + DeserializeOwned> RunConfig<T> {
    /// Refuses a task's part whose fields cannot lie beside the others in a file.
    pub(crate) fn check_task(&self) -> Result<()> {
        let text = serde_json::to_string(self);
        match text.and_then(|text| serde_json::from_str::<Self>(&text)) {
            Ok(_) => Ok(()),
            Err(cause) => {
                let value = format!("nothing that can be written and read again ({cause})");
                let right = "a struct whose fields have other names than those of `RunConfig`";
                Err(LabError::setting("task", value, right))
            }
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

/// So many steps in a row may be skipped: a model that has gone bad would skip all to the end.
const SKIPS_IN_A_ROW: u32 = 16;

impl From<OnNotFinite> for NonFiniteGradients {
    fn from(on: OnNotFinite) -> Self {
        match on {
            OnNotFinite::Stop | OnNotFinite::RollBack => Self::Error,
            OnNotFinite::Skip => Self::Skip { in_a_row: SKIPS_IN_A_ROW },
        }
    }
}
