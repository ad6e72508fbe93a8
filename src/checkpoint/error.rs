use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::apollo::ApolloError;

/// What is wrong with a checkpoint, or with writing one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file or folder cannot be read or written.
    #[error("{}: cannot be {action}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A path that should be a folder of checkpoints, and is none.
    #[error("{}: expected a folder of checkpoints, found {found}", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// A path that should be a checkpoint, and is none.
    #[error("{}: expected a checkpoint, which is a folder with its files, found {found}", path.display())]
    NotASet {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// The folder is open already.
    #[error("{}: already in use{}", path.display(), by(*process))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The id of the process that has it open, if it can be told.
        process: Option<u32>,
    },
    /// A set that cannot be used.
    #[error("checkpoint {} is damaged: {file} {damage}", path.display())]
    Damaged {
        /// The set's folder.
        path: PathBuf,
        /// The file within it.
        file: String,
        /// What is wrong with the file.
        damage: Damage,
    },
    /// There are checkpoints, but all of them are damaged.
    #[error("{}: none of the {} checkpoints is good; the newest: {}", path.display(), damaged.len(), first(damaged))]
    NoneGood {
        /// The folder of the checkpoints.
        path: PathBuf,
        /// What is wrong with each, the newest first.
        damaged: Vec<CheckpointError>,
    },
    /// There is no set of an epoch.
    #[error("{}: no good checkpoint of epoch {epoch}", path.display())]
    NoEpoch {
        /// The folder of the checkpoints.
        path: PathBuf,
        /// The epoch asked for.
        epoch: usize,
    },
    /// A set of a later version of this crate.
    #[error(
        "checkpoint {} has format version {found}, this version of burn-apollo reads versions up to {known}: \
         use a newer burn-apollo",
        path.display()
    )]
    Version {
        /// The set's folder.
        path: PathBuf,
        /// Its format version.
        found: u64,
        /// The newest format version that can be read.
        known: u64,
    },
    /// The run that loads the set goes by another plan than the run that wrote it.
    #[error(
        "the checkpoint is of a run with `{field}` {saved}, this run has {now}: take it up with the settings of that run, \
         or begin a run of its own in another folder (a program can let it go on: `CheckpointSet::allow_other_plan`)"
    )]
    OtherPlan {
        /// The first field of the [`Plan`](crate::Plan) that differs.
        field: String,
        /// The value in the checkpoint.
        saved: String,
        /// The value of the run that loads it.
        now: String,
    },
    /// The run that loads the set trains by an optimizer of another kind, or of other settings, than the run that wrote it.
    #[error(
        "the checkpoint's optimizer trains `{param}` by {saved}, this run's by {now}: take it up with the optimizer of that \
         run (a program can let it go on where the state fits: `CheckpointSet::allow_other_plan`)"
    )]
    OtherOptimizer {
        /// Path of the first parameter that is trained in another way.
        param: String,
        /// The optimizer of the run that wrote the set.
        saved: String,
        /// The optimizer of the run that loads it.
        now: String,
    },
    /// The run that loads the set has another learning rate than the run that wrote it.
    #[error(
        "the checkpoint's run goes on from step {step} with a learning rate of {saved}, this run with {now}: take it up with \
         the learning rate of that run (a program can let it go on: `CheckpointSet::allow_other_plan`)"
    )]
    OtherRate {
        /// The optimizer step that comes next.
        step: u64,
        /// The rate that the scheduler of the run that wrote the set gives for it, without any plan's factor.
        saved: f64,
        /// The rate that the scheduler of the run that loads it gives.
        now: f64,
    },
    /// A good file that does not fit the model, the optimizer or the scheduler that should load it.
    #[error("{file} does not fit: {message}")]
    Misfit {
        /// The file within the set.
        file: &'static str,
        /// What does not fit.
        message: String,
    },
    /// A number to save is a NaN or an infinity: weights like these are no use to anybody.
    #[error("{what} is not finite, so no checkpoint was written; the one before it is still there")]
    NotFinite {
        /// The tensor or value.
        what: String,
    },
    /// A record cannot be put into bytes.
    #[error("{file} cannot be made: {message}")]
    Encode {
        /// The file within the set.
        file: &'static str,
        /// What Burn says.
        message: String,
    },
    /// The run cannot be saved, or a run as saved cannot be restored.
    #[error("the run does not fit a checkpoint")]
    Run(#[source] ApolloError),
    /// A state of the user's is missing, of another type, or too large.
    #[error("state `{name}`: {message}")]
    State {
        /// The state's name.
        name: String,
        /// What is wrong with it.
        message: String,
    },
}

/// What is wrong with a file of a set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Damage {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// It is a folder, a symbolic link or a device.
    #[error("is not a regular file")]
    NotAFile,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Its length is another than the manifest says.
    #[error("has {found} bytes instead of {expected}")]
    Length {
        /// Its length.
        found: u64,
        /// The length in the manifest.
        expected: u64,
    },
    /// It is longer than such a file can be.
    #[error("has {found} bytes, more than the {limit} that it can have")]
    TooLarge {
        /// Its length.
        found: u64,
        /// The greatest length.
        limit: u64,
    },
    /// Its bytes are not those that were written.
    #[error("does not have its checksum")]
    Checksum,
    /// Its content is not what it should be.
    #[error("is malformed: {0}")]
    Malformed(String),
}

impl From<ApolloError> for CheckpointError {
    fn from(error: ApolloError) -> Self {
        Self::Run(error)
    }
}

impl CheckpointError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }

    pub(super) fn damaged(path: &Path, file: &str, damage: Damage) -> Self {
        Self::Damaged { path: path.to_owned(), file: file.to_owned(), damage }
    }

    /// Whether a set can be stepped over because of this error.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::NotASet { .. })
    }
}

fn by(process: Option<u32>) -> String {
    process.map_or_else(String::new, |id| format!(" by process {id}"))
}

fn first(damaged: &[CheckpointError]) -> String {
    damaged.first().map(ToString::to_string).unwrap_or_default()
}
