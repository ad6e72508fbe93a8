//! What can go wrong with a run.

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::tensor::{ExecutionError, TensorReadError};
use burn_apollo::apollo::ApolloError;
use burn_apollo::checkpoint::CheckpointError;
use burn_apollo::plan::PlanError;
use thiserror::Error;

/// The result of something that a run needs.
pub type Result<T, E = LabError> = std::result::Result<T, E>;

/// An error of any kind.
pub(crate) type Any = Box<dyn Error + Send + Sync>;

/// Why a run cannot begin, or did not come to its end.
///
/// [`is_usage`](Self::is_usage) tells the two apart.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabError {
    /// A setting of the run's configuration that no run can have.
    #[error("`{field}` is {value}, must be {right}")]
    Setting {
        /// The field of [`RunConfig`](crate::RunConfig).
        field: &'static str,
        /// What was found in it.
        value: String,
        /// What would be right.
        right: &'static str,
    },
    /// The folder of a new run holds one already.
    #[error("{}: already holds a run", folder.display())]
    HoldsRun {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder of a run that is to be read holds none.
    #[error("{}: holds no run", folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// The run in a folder is not the one that is to be continued.
    #[error("{}: holds a run with another configuration; its config.json says which", folder.display())]
    OtherRun {
        /// The folder.
        folder: PathBuf,
    },
    /// A checkpoint in a run's folder is of another run.
    #[error("{}: is of a run with another configuration", set.display())]
    OtherSet {
        /// The checkpoint.
        set: PathBuf,
    },
    /// A folder without a configuration that holds something of a run all the same.
    #[error("{}: holds {name} of a run, but not its config.json", folder.display())]
    Remains {
        /// The folder.
        folder: PathBuf,
        /// What it holds.
        name: String,
    },
    /// A folder that cannot be used for a run: another process has its checkpoints, for one.
    #[error("{}: {problem}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What cannot be done with it.
        problem: &'static str,
        /// What the system says.
        #[source]
        cause: Any,
    },
    /// A good checkpoint that does not fit the run.
    #[error(transparent)]
    Restore(CheckpointError),
    /// A file of a run that cannot be read.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: Any,
    },
    /// The plan does not fit the model.
    #[error(transparent)]
    Plan(ApolloError),
    /// Something else that was given and cannot be used, by a [`Task`](crate::Task).
    #[error(transparent)]
    Usage(Any),

    /// A step could not be done.
    #[error(transparent)]
    Step(ApolloError),
    /// The device could not do what it was asked to.
    #[error(transparent)]
    Device(#[from] ExecutionError),
    /// A tensor could not be read from the device.
    #[error(transparent)]
    Read(#[from] TensorReadError),
    /// A result could not be written.
    #[error("{name} cannot be written")]
    Write {
        /// The file.
        name: String,
        /// What the system says.
        #[source]
        cause: Any,
    },
    /// A checkpoint could not be written.
    #[error("the checkpoint of step {step} was not written")]
    Checkpoint {
        /// The step.
        step: u64,
        /// What failed.
        #[source]
        cause: CheckpointError,
    },
    /// A growth failed or numbers went bad, and the run does not go on.
    #[error("the run ended early, {}", rest(*roll_back, *kept))]
    Ended {
        /// What failed.
        #[source]
        cause: Any,
        /// Why the run did not roll back.
        roll_back: RollBack,
        /// The step of the newest checkpoint that is kept.
        kept: Option<u64>,
    },
    /// Something else that failed, in a [`Task`](crate::Task), an [`Observer`](crate::Observer) or a [`Step`](crate::Step) of one's own.
    #[error(transparent)]
    Failed(Any),
}

/// Why a run that failed did not roll back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RollBack {
    /// It was not asked to, or what failed is not mended by other data.
    NotAsked,
    /// There is no checkpoint to go back to.
    NoCheckpoint,
    /// It has done so several times in a row, without a new checkpoint.
    TooOften(u32),
}

fn rest(roll_back: RollBack, kept: Option<u64>) -> String {
    let kept = match kept {
        Some(step) => format!("the checkpoint of step {step} is kept"),
        None => "there is no checkpoint yet".to_owned(),
    };
    match roll_back {
        RollBack::NotAsked => kept,
        RollBack::NoCheckpoint => format!("nothing to roll back to: {kept}"),
        RollBack::TooOften(times) => {
            format!("after {times} roll-backs without a new checkpoint, {kept}")
        }
    }
}

impl LabError {
    /// Whether what the user gave cannot be used, by convention exit code 2, and not the run that failed, exit code 1.
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::Step(_)
                | Self::Device(_)
                | Self::Read(_)
                | Self::Write { .. }
                | Self::Checkpoint { .. }
                | Self::Ended { .. }
                | Self::Failed(_)
        )
    }

    /// The error and its causes in one line.
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// What was given and cannot be used.
    pub fn usage(error: impl Into<Any>) -> Self {
        Self::Usage(error.into())
    }

    /// What failed.
    pub fn failed(error: impl Into<Any>) -> Self {
        Self::Failed(error.into())
    }

    /// A setting that no run or study can have.
    pub(crate) fn setting(field: &'static str, value: impl ToString, right: &'static str) -> Self {
        Self::Setting { field, value: value.to_string(), right }
    }

    pub(crate) fn folder(folder: &Path, problem: &'static str, cause: impl Into<Any>) -> Self {
        Self::Folder { folder: folder.to_owned(), problem, cause: cause.into() }
    }

    pub(crate) fn file(path: &Path, cause: impl Into<Any>) -> Self {
        Self::File { path: path.to_owned(), cause: cause.into() }
    }

    pub(crate) fn write(name: &str, cause: impl Into<Any>) -> Self {
        Self::Write { name: name.to_owned(), cause: cause.into() }
    }
}

impl From<PlanError> for LabError {
    fn from(error: PlanError) -> Self {
        Self::Plan(error.into())
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
