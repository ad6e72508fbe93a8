use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Bytes;

use super::files::{self, MANIFEST, RECORDS, SUMS, entries, sets_in};
use super::find::{self, FoundSet};
use super::manifest::Manifest;
use super::sums::{Sums, lines};
use super::{CheckpointError, CheckpointSet, Retention, Snapshot};

/// A folder of checkpoints, open for one run.
///
/// A [set](CheckpointSet) is written aside, brought to the disk, and becomes visible by one rename; then it is read
/// back, and only a set found good there lets older ones be removed. So at any instant, a crash or a loss of power leaves the
/// last good set in place. Sets are folders called `000012-step-700`: the number counts what was written, and the
/// highest is the newest, whatever its step.
///
/// As long as it is open, no other process can open the folder. The lock is the operating system's, so it ends with
/// the process, however that ends.
#[derive(Debug)]
pub struct CheckpointStore {
    path: PathBuf,
    retention: Retention,
    allow_not_finite: bool,
    /// Whether sets are good, by number: one that was read once in this process is not read again. Held while the folder
    /// is changed.
    known: Mutex<Known>,
    _lock: File,
}

type Known = BTreeMap<u64, bool>;

/// A set that was written.
#[derive(Debug)]
#[non_exhaustive]
pub struct SaveReport {
    /// The set's folder.
    pub path: PathBuf,
    /// Bytes written.
    pub bytes: u64,
    /// Older sets that were removed.
    pub removed: Vec<PathBuf>,
    /// Why older sets that should be gone are still there; the new one is good all the same.
    pub not_removed: Vec<CheckpointError>,
}

const LOCK: &str = ".lock";
const ASIDE: &str = ".writing-";
const REMOVING: &str = ".removing-";

impl CheckpointStore {
    /// Opens a folder for one run, making it if need be, and clears what a crash may have left half written there.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Locked`] when another process has it open, [`CheckpointError::Io`] when it cannot be made or
    /// written to.
    pub fn open(path: impl AsRef<Path>, retention: Retention) -> Result<Self, CheckpointError> {
        let path = path.as_ref().to_owned();
        make_dir(&path)?;
        let lock = lock(&path)?;
        for (name, entry) in entries(&path)? {
            if name.starts_with(ASIDE) || name.starts_with(REMOVING) {
                fs::remove_dir_all(&entry).map_err(CheckpointError::io("removed", &entry))?;
            }
        }
        let known = Mutex::default();
        Ok(Self { path, retention, allow_not_finite: false, known, _lock: lock })
    }

    /// Saves numbers that are not finite as well: for a model that holds infinities on purpose.
    pub fn allow_not_finite(self) -> Self {
        Self { allow_not_finite: true, ..self }
    }

    /// Lets its user alone remove sets.
    #[cfg(feature = "train")]
    pub(crate) fn keep_all(self) -> Self {
        Self { retention: Retention::last(usize::MAX), ..self }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a set, and removes older ones by the store's [`Retention`].
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotFinite`] for weights or optimizer state with a NaN or an infinity,
    /// [`CheckpointError::Other`] for optimizer state in a precision that Burn would not load again,
    /// [`CheckpointError::Io`] when the disk is full or fails. The sets that were there are still there then.
    pub fn save(&self, snapshot: Snapshot) -> Result<SaveReport, CheckpointError> {
        snapshot.check(self.allow_not_finite)?;
        let mut known = self.known();
        let number = self.sets()?.last().map_or(1, |(number, _)| number.saturating_add(1));
        let name = format!("{number:06}-step-{}", snapshot.manifest.step);
        let (aside, path) = (self.path.join(format!("{ASIDE}{name}")), self.path.join(&name));
        let published = write_set(&aside, snapshot).and_then(|written| {
            fs::rename(&aside, &path).map_err(CheckpointError::io("published", &path))?;
            files::sync_dir(&self.path)?;
            Ok(written)
        });
        let written = published.inspect_err(|_| drop(fs::remove_dir_all(&aside)))?;
        // The older sets stay until this one was read back.
        let read_back = written
            .iter()
            .try_for_each(|(name, bytes)| files::check_same(&path, name, bytes))
            .and_then(|()| Manifest::read(&path).map(drop));
        known.insert(number, read_back.is_ok());
        read_back?;
        let bytes = written.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let (removed, not_removed) = self.prune(&mut known)?;
        Ok(SaveReport { path, bytes, removed, not_removed })
    }

    /// The newest set that is good, after checking it; damaged ones are stepped over. `None` if there are no sets.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NoneGood`] when there are sets, but only damaged ones: begin anew only after you looked at
    /// them. [`CheckpointError::Version`] when a set is of a later version of this crate.
    pub fn latest_good(&self) -> Result<Option<FoundSet>, CheckpointError> {
        let _unchanged = self.known();
        find::latest_good(&self.path)
    }

    /// The set with the best metric that is good, by what the store's [`Retention`] takes for best: the lowest unless
    /// it says the highest. `None` if no set has a metric.
    ///
    /// # Errors
    ///
    /// As [`latest_good`](Self::latest_good).
    pub fn best_good(&self) -> Result<Option<FoundSet>, CheckpointError> {
        let _unchanged = self.known();
        find::best_good(&self.path, self.retention)
    }

    /// Whether there is no set, good or damaged.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`] when the folder cannot be read.
    pub fn is_empty(&self) -> Result<bool, CheckpointError> {
        Ok(self.sets()?.is_empty())
    }

    /// Removes all sets: for a run that begins anew in the same folder.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`] for a set that cannot be removed.
    pub fn clear(&self) -> Result<(), CheckpointError> {
        let mut known = self.known();
        self.sets()?.iter().try_for_each(|(_, set)| self.remove(set))?;
        known.clear();
        Ok(())
    }

    /// The newest good set of an epoch.
    #[cfg(feature = "train")]
    pub(crate) fn good_of_epoch(&self, epoch: usize) -> Result<CheckpointSet, CheckpointError> {
        let _unchanged = self.known();
        let sets = self.sets()?.into_iter().rev();
        let of_epoch = sets.filter(|(_, path)| find::epoch_of(path) == Some(epoch));
        let found = find::first_good(&self.path, of_epoch)?;
        found.map(|found| found.set).ok_or_else(|| {
            let path = self.path.display();
            CheckpointError::other(format!("{path}: no good checkpoint of epoch {epoch}"))
        })
    }

    /// The sets' numbers and folders in order of writing, good or not.
    pub(crate) fn sets(&self) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
        sets_in(&self.path)
    }

    /// Removes the sets that `kept` does not name, once all that it names were read and found good. Damaged ones stay as
    /// long as the oldest good one that stays is older: they may be worth a look.
    fn prune(
        &self,
        known: &mut Known,
    ) -> Result<(Vec<PathBuf>, Vec<CheckpointError>), CheckpointError> {
        let sets = self.sets()?;
        let mut whole = Vec::new();
        for (number, path) in &sets {
            match Manifest::read(path) {
                Ok((manifest, _)) if known.get(number) != Some(&false) => {
                    whole.push((*number, manifest.metric));
                }
                Err(error) if error.is_damage() => drop(known.insert(*number, false)),
                _ => {} // a set of a later version, or one that cannot be read now, is left alone
            }
        }
        let kept = loop {
            let kept = self.retention.kept(&whole);
            let unread =
                |(number, _): &&(u64, _)| kept.contains(number) && !known.contains_key(number);
            let Some((number, path)) = sets.iter().find(unread) else { break kept };
            match CheckpointSet::open(path) {
                Ok(_) => drop(known.insert(*number, true)),
                Err(error) => {
                    whole.retain(|(whole, _)| whole != number);
                    if error.is_damage() {
                        known.insert(*number, false);
                    }
                }
            }
        };
        let oldest = kept.first().copied().unwrap_or(0);
        let (mut removed, mut not_removed) = (Vec::new(), Vec::new());
        for (number, path) in sets.into_iter().filter(|(number, _)| !kept.contains(number)) {
            let is_whole = whole.iter().any(|(whole, _)| *whole == number);
            let old = known.get(&number) == Some(&false) && number < oldest;
            if is_whole || old {
                match self.remove(&path) {
                    Ok(()) => removed.push(path),
                    Err(error) => not_removed.push(error),
                }
            }
        }
        Ok((removed, not_removed))
    }

    /// Removes a set; a crash halfway leaves no half of it under its name.
    pub(crate) fn remove(&self, set: &Path) -> Result<(), CheckpointError> {
        let name = set.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.path.join(format!("{REMOVING}{name}"));
        fs::rename(set, &aside)
            .and_then(|()| fs::remove_dir_all(&aside))
            .map_err(CheckpointError::io("removed", set))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a folder and those above it, and waits until they are on the disk.
fn make_dir(path: &Path) -> Result<(), CheckpointError> {
    let there = path.ancestors().find(|part| part.exists() || part.is_symlink());
    there.map_or(Ok(()), files::check_folder)?;
    let missing = path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).count();
    fs::create_dir_all(path).map_err(CheckpointError::io("made", path))?;
    path.ancestors().skip(1).take(missing).try_for_each(files::sync_dir)
}

/// Writes all files of a set into the new folder `dir` and waits until they are on the disk; gives them back.
fn write_set(
    dir: &Path,
    snapshot: Snapshot,
) -> Result<Vec<(&'static str, Bytes)>, CheckpointError> {
    fs::create_dir(dir).map_err(CheckpointError::io("made", dir))?;
    let manifest = Bytes::from_bytes_vec(snapshot.manifest.to_json()?);
    let mut files: Vec<_> = RECORDS.into_iter().zip(snapshot.records).collect();
    files.push((MANIFEST, manifest));
    let mut sums = Sums::new();
    for (name, bytes) in &files {
        sums.insert((*name).to_owned(), files::write_summed(dir, name, bytes)?);
    }
    let sums = lines(&sums).into_bytes();
    files::write(dir, SUMS, &sums)?;
    files::sync_dir(dir)?;
    files.push((SUMS, Bytes::from_bytes_vec(sums)));
    Ok(files)
}

/// Takes the folder for this process. The file stays; the lock on it ends with the process.
fn lock(dir: &Path) -> Result<File, CheckpointError> {
    let path = dir.join(LOCK);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(CheckpointError::io("written", &path))?;
    match file.try_lock() {
        Ok(()) => {
            // For the message that another process shows; nothing depends on it.
            let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.take(32).read_to_string(&mut text);
            Err(CheckpointError::Locked { path: dir.to_owned(), process: text.parse().ok() })
        }
        Err(TryLockError::Error(cause)) => Err(CheckpointError::io("locked", &path)(cause)),
    }
}
