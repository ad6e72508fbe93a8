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
    /// The folder is open already.
    #[error("{}: already in use{}", path.display(), process.map_or_else(String::new, |id| format!(" by process {id}")))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The id of the process that has it open, if it can be told.
        process: Option<u32>,
    },
    /// A set that cannot be used.
    #[error("{}", damage(path, file.as_deref(), wrong))]
    Damaged {
        /// The set's folder.
        path: PathBuf,
        /// The file within it; none where there is no set at all.
        file: Option<String>,
        /// What is wrong: `is missing`, say.
        wrong: String,
    },
    /// There are checkpoints, but all of them are damaged.
    #[error("{}: none of the {} checkpoints is good; the newest: {}", path.display(), damaged.len(), damaged.first().map(ToString::to_string).unwrap_or_default())]
    NoneGood {
        /// The folder of the checkpoints.
        path: PathBuf,
        /// What is wrong with each, the newest first.
        damaged: Vec<CheckpointError>,
    },
    /// A set of a later version of this crate.
    #[error(
        "checkpoint {} has format version {found}, this version of burn-apollo reads version {known}: \
         use a newer burn-apollo",
        path.display()
    )]
    Version {
        /// The set's folder.
        path: PathBuf,
        /// Its format version.
        found: u64,
        /// The format version that can be read.
        known: u64,
    },
    /// The run that loads the set goes by other settings than the run that wrote it.
    #[error(
        "the checkpoint is of a run with `{setting}` {saved}, this run has {now}: take it up with the settings of that run, \
         or begin a run of its own in another folder (a program can let it go on: `CheckpointSet::allow_other_plan`)"
    )]
    OtherRun {
        /// The first field of the [`Plan`](crate::Plan) that differs, or the learning rate.
        setting: String,
        /// The value in the checkpoint.
        saved: String,
        /// The value of the run that loads it.
        now: String,
    },
    /// A number to save is a NaN or an infinity: weights like these are no use to anybody.
    #[error("{what} is not finite, so no checkpoint was written; the one before it is still there")]
    NotFinite {
        /// The tensor or value.
        what: String,
    },
    /// Anything else: a good file that does not fit the model, the optimizer or the scheduler that should load it, a record
    /// or a state that cannot be saved.
    #[error("{message}")]
    Other {
        /// What is wrong, and with which file, state or path.
        message: String,
        /// What the run says of it.
        #[source]
        cause: Option<Box<ApolloError>>,
    },
}

impl From<ApolloError> for CheckpointError {
    fn from(error: ApolloError) -> Self {
        Self::Other {
            message: "the run does not fit a checkpoint".to_owned(),
            cause: Some(error.into()),
        }
    }
}

impl CheckpointError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }

    pub(super) fn damaged(path: &Path, file: &str, wrong: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), file: Some(file.to_owned()), wrong: wrong.into() }
    }

    pub(super) fn no_set(path: &Path, found: &str) -> Self {
        let wrong =
            format!("expected a checkpoint, which is a folder with its files, found {found}");
        Self::Damaged { path: path.to_owned(), file: None, wrong }
    }

    pub(crate) fn other(message: String) -> Self {
        Self::Other { message, cause: None }
    }

    /// Of a good file.
    pub(crate) fn misfit(file: &str, message: &str) -> Self {
        Self::other(format!("{file} does not fit: {message}"))
    }

    /// Of a state of the user's.
    pub(super) fn state(name: &str, message: &str) -> Self {
        Self::other(format!("state `{name}`: {message}"))
    }

    /// Whether a set can be stepped over because of this error.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

fn damage(path: &Path, file: Option<&str>, wrong: &str) -> String {
    match file {
        Some(file) => format!("checkpoint {} is damaged: {file} {wrong}", path.display()),
        None => format!("{}: {wrong}", path.display()),
    }
}
