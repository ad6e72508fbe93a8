use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::files::{self, MANIFEST, SUMS};
use super::manifest::{Manifest, SavedPlan};
use super::sums::Sums;
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
    /// Sets known to be damaged; held while the folder is changed.
    damaged: Mutex<BTreeSet<u64>>,
    _lock: File,
}

/// A set that was written.
#[derive(Debug)]
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

/// A good set that was found in a folder.
#[derive(Debug)]
pub struct FoundSet {
    /// The set.
    pub set: CheckpointSet,
    /// What is wrong with those that would have come before it, in that order.
    pub stepped_over: Vec<CheckpointError>,
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
        let damaged = Mutex::default();
        Ok(Self { path, retention, allow_not_finite: false, damaged, _lock: lock })
    }

    /// Saves numbers that are not finite as well: for a model that holds infinities on purpose.
    pub fn allow_not_finite(self) -> Self {
        Self { allow_not_finite: true, ..self }
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
    /// [`CheckpointError::Encode`] for optimizer state in a precision that Burn would not load again,
    /// [`CheckpointError::Io`] when the disk is full or fails. The sets that were there are still there then.
    pub fn save(&self, snapshot: Snapshot) -> Result<SaveReport, CheckpointError> {
        self.save_keeping(snapshot, |sets| self.retention.kept(sets))
    }

    /// Writes a set, and keeps those of the good ones, by number and metric, that `kept` names.
    pub(crate) fn save_keeping(
        &self,
        snapshot: Snapshot,
        kept: impl FnOnce(&[(u64, Option<f64>)]) -> BTreeSet<u64>,
    ) -> Result<SaveReport, CheckpointError> {
        snapshot.check(self.allow_not_finite)?;
        let mut damaged = self.damaged();
        let number = self.sets()?.last().map_or(1, |(number, _)| number.saturating_add(1));
        let name = format!("{number:06}-step-{}", snapshot.step);
        let (aside, path) = (self.path.join(format!("{ASIDE}{name}")), self.path.join(&name));
        let published = write_set(&aside, snapshot).and_then(|bytes| {
            fs::rename(&aside, &path).map_err(CheckpointError::io("published", &path))?;
            files::sync_dir(&self.path)?;
            Ok(bytes)
        });
        let bytes = published.inspect_err(|_| drop(fs::remove_dir_all(&aside)))?;
        // The older sets stay until this one was read back.
        if let Err(error) = CheckpointSet::open(&path) {
            damaged.insert(number);
            return Err(error);
        }
        let (removed, not_removed) = self.prune(&damaged, kept)?;
        Ok(SaveReport { path, bytes, removed, not_removed })
    }

    /// The newest set that is good, after checking it; damaged ones are stepped over. `None` if there are no sets.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NoneGood`] when there are sets, but only damaged ones: begin anew only after you looked at
    /// them. [`CheckpointError::Version`] when a set is of a later version of this crate.
    pub fn latest_good(&self) -> Result<Option<FoundSet>, CheckpointError> {
        let mut damaged = self.damaged();
        first_good(&self.path, self.sets()?.into_iter().rev(), |number| {
            damaged.insert(number);
        })
    }

    /// The set with the best metric that is good, by what the store's [`Retention`] takes for best: the lowest unless
    /// it says the highest. `None` if no set has a metric.
    ///
    /// # Errors
    ///
    /// As [`latest_good`](Self::latest_good).
    pub fn best_good(&self) -> Result<Option<FoundSet>, CheckpointError> {
        let mut damaged = self.damaged();
        best_in(&self.path, self.retention, |number| {
            damaged.insert(number);
        })
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
        let mut damaged = self.damaged();
        self.sets()?.iter().try_for_each(|(_, set)| self.remove(set))?;
        damaged.clear();
        Ok(())
    }

    /// The sets' numbers and folders in order of writing, good or not.
    pub(crate) fn sets(&self) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
        sets_in(&self.path)
    }

    /// Removes the sets that `kept` does not name. Damaged ones stay as long as the oldest good one that stays is
    /// older: they may be worth a look.
    fn prune(
        &self,
        damaged: &BTreeSet<u64>,
        kept: impl FnOnce(&[(u64, Option<f64>)]) -> BTreeSet<u64>,
    ) -> Result<(Vec<PathBuf>, Vec<CheckpointError>), CheckpointError> {
        let sets = self.sets()?;
        let (mut good, mut bad) = (Vec::new(), damaged.clone());
        for (number, path) in &sets {
            match read_manifest(path) {
                Ok(manifest) if !damaged.contains(number) => good.push((*number, manifest.metric)),
                Err(error) if error.is_damage() => drop(bad.insert(*number)),
                _ => {} // a set of a later version, or one that cannot be read now, is left alone
            }
        }
        let kept = kept(&good);
        let is_good = |number: &u64| good.iter().any(|(good, _)| good == number);
        let oldest = kept.first().copied().unwrap_or(0);
        let (mut removed, mut not_removed) = (Vec::new(), Vec::new());
        for (number, path) in sets {
            let old = bad.contains(&number) && number < oldest;
            if !kept.contains(&number) && (is_good(&number) || old) {
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

    fn damaged(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest good set in a folder that another process may be writing to: for looking at a run, or for taking a model
/// out of it. The set may be removed by that process at any time.
///
/// # Errors
///
/// As [`CheckpointStore::latest_good`].
pub fn latest_good(path: impl AsRef<Path>) -> Result<Option<FoundSet>, CheckpointError> {
    let path = path.as_ref();
    first_good(path, sets_in(path)?.into_iter().rev(), |_| {})
}

/// The good set with the best metric, by what `retention` takes for best, in a folder that another process may be writing
/// to or that is read-only. The set may be removed by that process at any time.
///
/// # Errors
///
/// As [`CheckpointStore::best_good`].
pub fn best_good(
    path: impl AsRef<Path>,
    retention: Retention,
) -> Result<Option<FoundSet>, CheckpointError> {
    best_in(path.as_ref(), retention, |_| {})
}

fn best_in(
    folder: &Path,
    retention: Retention,
    mut damaged: impl FnMut(u64),
) -> Result<Option<FoundSet>, CheckpointError> {
    let sets = sets_in(folder)?;
    let (mut rated, mut unreadable) = (Vec::new(), Vec::new());
    for (number, path) in &sets {
        match read_manifest(path) {
            Ok(manifest) => rated.push((*number, manifest.metric)),
            Err(error) if error.is_damage() => {
                damaged(*number);
                unreadable.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    let of = |number| sets.iter().find(|(n, _)| *n == number).cloned();
    let best: Vec<_> = retention.best_first(&rated).into_iter().filter_map(of).collect();
    if best.is_empty() && !unreadable.is_empty() {
        // Any of them may have had a metric.
        return Err(CheckpointError::NoneGood { path: folder.to_owned(), damaged: unreadable });
    }
    let found = first_good(folder, best.into_iter(), damaged)?;
    Ok(found.map(|mut found| {
        found.stepped_over.extend(unreadable);
        found
    }))
}

/// The first good one of `sets`; `damaged` gets the numbers of the damaged ones before it.
fn first_good(
    folder: &Path,
    sets: impl Iterator<Item = (u64, PathBuf)>,
    mut damaged: impl FnMut(u64),
) -> Result<Option<FoundSet>, CheckpointError> {
    let mut stepped_over = Vec::new();
    for (number, path) in sets {
        match CheckpointSet::open(&path) {
            Ok(set) => return Ok(Some(FoundSet { set, stepped_over })),
            Err(error) if error.is_damage() => {
                damaged(number);
                stepped_over.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    match stepped_over.is_empty() {
        true => Ok(None),
        false => Err(CheckpointError::NoneGood { path: folder.to_owned(), damaged: stepped_over }),
    }
}

/// Numbers and folders of the sets in a folder, in order of writing.
fn sets_in(folder: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    let number = |name: &str| {
        let (number, step) = name.split_once("-step-")?;
        step.parse::<u64>().ok()?;
        // The greatest number would leave none for the next set; this crate never comes to it.
        number.parse().ok().filter(|number| *number < u64::MAX)
    };
    let entries = entries(folder)?.into_iter();
    let mut sets: Vec<_> =
        entries.filter_map(|(name, path)| Some((number(&name)?, path))).collect();
    sets.sort();
    Ok(sets)
}

/// Makes a folder and those above it, and waits until they are on the disk.
fn make_dir(path: &Path) -> Result<(), CheckpointError> {
    let missing = path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).count();
    fs::create_dir_all(path).map_err(CheckpointError::io("made", path))?;
    path.ancestors().skip(1).take(missing).try_for_each(files::sync_dir)
}

/// Writes all files of a set into the new folder `dir` and waits until they are on the disk.
fn write_set(dir: &Path, snapshot: Snapshot) -> Result<u64, CheckpointError> {
    let Snapshot { step, epoch, metric, plan, targets, measurements, frozen, state, files } =
        snapshot;
    fs::create_dir(dir).map_err(CheckpointError::io("made", dir))?;
    let (mut sums, mut lengths) = (Vec::new(), BTreeMap::new());
    for (name, bytes) in &files {
        sums.push(((*name).to_owned(), files::write(dir, name, bytes)?));
        lengths.insert((*name).to_owned(), bytes.len() as u64);
    }
    let records: u64 = lengths.values().sum();
    let manifest = Manifest {
        step,
        epoch,
        metric,
        files: lengths,
        plan: SavedPlan::Plan(Box::new(plan)),
        targets,
        measurements,
        frozen,
        state,
        ..Manifest::default()
    };
    let text = manifest.to_json()?;
    sums.push((MANIFEST.to_owned(), files::write(dir, MANIFEST, &text)?));
    let sums = Sums::new(sums).to_string();
    files::write(dir, SUMS, sums.as_bytes())?;
    files::sync_dir(dir)?;
    Ok(records + (text.len() + sums.len()) as u64)
}

pub(crate) fn read_manifest(set: &Path) -> Result<Manifest, CheckpointError> {
    let sums = files::read_sums(set)?;
    let text = files::read_checked(set, MANIFEST, &sums, super::manifest::LIMIT)?;
    Manifest::parse(&text, set)
}

/// Name and path of what is in a folder.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, CheckpointError> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        entry.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
    };
    fs::read_dir(dir)
        .and_then(|entries| entries.map(entry).collect())
        .map_err(CheckpointError::io("read", dir))
}

/// Takes the folder for this process. The file stays; the lock on it ends with the process.
fn lock(dir: &Path) -> Result<File, CheckpointError> {
    let path = dir.join(LOCK);
    let mut options = File::options();
    let mut file = options
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
        Err(TryLockError::Error(cause)) => {
            Err(CheckpointError::Io { action: "locked", path, cause })
        }
    }
}
