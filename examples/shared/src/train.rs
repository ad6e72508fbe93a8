//! A training from the command line.

use std::path::Path;

use burn::module::Module;
use burn_apollo_lab::folder::{self, holds_run, read_config};
use burn_apollo_lab::results::MODEL;
use burn_apollo_lab::{End, Existing, LabError, Progress, RunConfig, Task, TensorBoard, Training};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::options::resumed::other_options;
use crate::options::run::RunOptions;
use crate::{Content, Failure, check_folder, usage};

/// Trains, or goes on where the run in the output folder stands, and shows how it goes.
pub fn train<T, C>(training: Training<T, C>, options: &RunOptions) -> Result<End, Failure>
where
    T: Task,
    C: PartialEq + Serialize + DeserializeOwned,
{
    refuse_run(&options.out, options.existing())?;
    if options.resume && holds_run(&options.out) {
        let there = run_config(&options.out)?;
        if !training.is_same_run(&there) {
            return Err(other_options(&options.out, &there, training.config()));
        }
    }
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

/// The configuration of the run in `out`, which must be one of this program.
pub fn run_config<C: DeserializeOwned>(out: &Path) -> Result<RunConfig<C>, Failure> {
    check_folder("--out", out, Content::Run, Existing::Resume)?;
    read_config(out).map_err(|error| match error {
        LabError::File { cause, .. } => usage(format!(
            "--out {}: its config.json is damaged, or of another program's run: {cause}",
            out.display()
        )),
        error => error.into(),
    })
}

/// The model of the finished run in `out`, in the place of `model`.
pub fn finished<M: Module>(model: M, out: &Path) -> Result<M, Failure> {
    let file = out.join(MODEL);
    if !file.exists() {
        let why = "its run is not finished; --resume goes on with it";
        return Err(usage(format!("--out {}: {why}", out.display())));
    }
    model.try_load_file(&file).map_err(|e| {
        let said = e.to_string();
        let said = said.split(['\n', '[']).next().unwrap_or_default().trim_end_matches([' ', ':']);
        usage(format!("{}: damaged, or of another run than config.json: {said}", file.display()))
    })
}

/// Refuses a folder that holds something else than a run, or a run that is neither to be continued nor replaced.
pub fn refuse_run(out: &Path, existing: Existing) -> Result<(), Failure> {
    check_folder("--out", out, Content::Run, existing)?;
    Ok(folder::refuse_run(out, existing)?)
}
