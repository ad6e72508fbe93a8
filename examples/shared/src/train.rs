//! A training from the command line.

use std::path::Path;

use burn::module::Module;
use burn_apollo_lab::folder::{self, CONFIG};
use burn_apollo_lab::results::MODEL;
use burn_apollo_lab::{End, Existing, Progress, Task, TensorBoard, Training};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::options::run::RunOptions;
use crate::{Failure, usage};

/// Trains, or goes on where the run in the output folder stands, and shows how it goes.
pub fn train<T, C>(training: Training<T, C>, options: &RunOptions) -> Result<End, Failure>
where
    T: Task,
    C: PartialEq + Serialize + DeserializeOwned,
{
    refuse_run(&options.out, options.existing())?;
    let training = match options.tensorboard {
        true => training.observer(TensorBoard::default()),
        false => training,
    };
    Ok(training.observer(Progress::default()).run(&options.lab()?)?)
}

/// Says how a training ended before its end, if it did.
pub fn conclude(end: End) -> Result<(), Failure> {
    match end {
        End::Finished => Ok(()),
        End::Stopped { step } => {
            println!("stopped after step {step}; --resume goes on");
            Ok(())
        }
        End::Signal { signal, step } => {
            let what = format!("after step {step}; the checkpoint is written, --resume goes on");
            Err(Failure::Signal(signal, what))
        }
    }
}

/// The model of the finished run in `out`, in the place of `model`.
pub fn finished<M: Module>(model: M, out: &Path) -> Result<M, Failure> {
    model
        .try_load_file(out.join(MODEL))
        .map_err(|e| usage(format!("--out {}: no finished run: {e}", out.display())))
}

/// Refuses a folder that holds a model of another kind, or a run that is neither to be continued nor replaced.
pub fn refuse_run(out: &Path, existing: Existing) -> Result<(), Failure> {
    let config = std::fs::read_to_string(out.join(CONFIG)).ok();
    let config = config.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    if config.is_some_and(|config| config.get("model_type").is_some()) {
        return Err(usage(format!(
            "--out {}: holds a model in Hugging Face's layout; name another folder",
            out.display()
        )));
    }
    Ok(folder::refuse_run(out, existing)?)
}
