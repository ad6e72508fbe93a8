//! Sets in a folder, found and judged.

use std::path::{Path, PathBuf};

use super::files::sets_in;
use super::manifest::Manifest;
use super::{CheckpointError, CheckpointSet, Retention};

/// A good set that was found in a folder.
#[derive(Debug)]
#[non_exhaustive]
pub struct FoundSet {
    /// The set.
    pub set: CheckpointSet,
    /// What is wrong with those that would have come before it, in that order.
    pub stepped_over: Vec<CheckpointError>,
}

/// The newest good set in a folder that another process may be writing to: for looking at a run, or for taking a model
/// out of it. The set may be removed by that process at any time.
///
/// # Errors
///
/// As [`CheckpointStore::latest_good`](super::CheckpointStore::latest_good).
pub fn latest_good(path: impl AsRef<Path>) -> Result<Option<FoundSet>, CheckpointError> {
    let path = path.as_ref();
    first_good(path, sets_in(path)?.into_iter().rev())
}

/// The good set with the best metric, by what `retention` takes for best, in a folder that another process may be writing
/// to or that is read-only. The set may be removed by that process at any time.
///
/// # Errors
///
/// As [`CheckpointStore::best_good`](super::CheckpointStore::best_good).
pub fn best_good(
    path: impl AsRef<Path>,
    retention: Retention,
) -> Result<Option<FoundSet>, CheckpointError> {
    let folder = path.as_ref();
    let sets = sets_in(folder)?;
    let (mut rated, mut unreadable) = (Vec::new(), Vec::new());
    for (number, path) in &sets {
        match Manifest::read(path) {
            Ok((manifest, _)) => rated.push((*number, manifest.metric)),
            Err(error) if error.is_damage() => unreadable.push(error),
            Err(error) => return Err(error),
        }
    }
    let of = |number| sets.iter().find(|(n, _)| *n == number).cloned();
    let best: Vec<_> = retention.best_first(&rated).into_iter().filter_map(of).collect();
    if best.is_empty() && !unreadable.is_empty() {
        // Any of them may have had a metric.
        return Err(CheckpointError::NoneGood { path: folder.to_owned(), damaged: unreadable });
    }
    let mut found = first_good(folder, best)?;
    if let Some(found) = &mut found {
        found.stepped_over.extend(unreadable);
    }
    Ok(found)
}

/// The first good one of `sets`.
pub(super) fn first_good(
    folder: &Path,
    sets: impl IntoIterator<Item = (u64, PathBuf)>,
) -> Result<Option<FoundSet>, CheckpointError> {
    let mut stepped_over = Vec::new();
    for (_, path) in sets {
        match CheckpointSet::open(&path) {
            Ok(set) => return Ok(Some(FoundSet { set, stepped_over })),
            Err(error) if error.is_damage() => stepped_over.push(error),
            Err(error) => return Err(error),
        }
    }
    match stepped_over.is_empty() {
        true => Ok(None),
        false => Err(CheckpointError::NoneGood { path: folder.to_owned(), damaged: stepped_over }),
    }
}

/// The epoch of the set in a folder, where it can be read and says so.
#[cfg(feature = "train")]
pub(crate) fn epoch_of(set: &Path) -> Option<usize> {
    Manifest::read(set).ok()?.0.epoch
}
