//! Files that are written for good and read with suspicion.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

use super::CheckpointError;
use super::sums::{Sums, checksum, parse};

/// The files of a set.
pub(crate) const MODEL: &str = "model.bpk";
pub(super) const OPTIM: &str = "optim.bpk";
pub(super) const SCHEDULER: &str = "scheduler.bpk";
pub(crate) const RECORDS: [&str; 3] = [MODEL, OPTIM, SCHEDULER];
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SUMS: &str = "SHA256SUMS";
pub(super) const SUMMED: [&str; 4] = [MODEL, OPTIM, SCHEDULER, MANIFEST];

const MISSING: &str = "is missing";
const OTHER_SUM: &str = "does not have its checksum";

/// More than any list of four checksums needs.
const SUMS_LIMIT: u64 = 4096;

/// Writes a new file and waits until it is on the disk.
pub(super) fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
    let path = dir.join(name);
    let written = File::create_new(&path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(CheckpointError::io("written", &path))
}

/// Writes a new file, and gives its checksum, which is taken while the disk is waited for.
pub(super) fn write_summed(
    dir: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<String, CheckpointError> {
    thread::scope(|scope| {
        let sum = thread::Builder::new().spawn_scoped(scope, || checksum(bytes));
        write(dir, name, bytes)?;
        // Where there was no thread to be had, it is taken now.
        let sum = sum.ok().and_then(|sum| sum.join().ok()).unwrap_or_else(|| checksum(bytes));
        sum.map_err(CheckpointError::io("summed", &dir.join(name)))
    })
}

/// Waits until the entries of a folder are on the disk.
pub(super) fn sync_dir(dir: &Path) -> Result<(), CheckpointError> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    // Other systems have no way to do it, and journal their folders.
    let synced = if cfg!(unix) { File::open(dir).and_then(|file| file.sync_all()) } else { Ok(()) };
    synced.map_err(CheckpointError::io("synced", dir))
}

/// The files of a set, with the checksums that they should have.
#[derive(Debug, Clone)]
pub(super) struct SetFiles {
    pub(super) dir: PathBuf,
    sums: Sums,
}

impl SetFiles {
    pub(super) fn open(dir: &Path) -> Result<Self, CheckpointError> {
        // The set itself may be a link, to where there is room; what is in it may not.
        if let Some(found) = no_folder(dir) {
            return Err(CheckpointError::no_set(dir, found));
        }
        let sums = dir.join(SUMS);
        let holds_sets = || sets_in(dir).is_ok_and(|sets| !sets.is_empty());
        if !sums.is_symlink() && !sums.exists() && holds_sets() {
            let found = "a folder of them: open one of them, or take the newest with `latest_good`";
            return Err(CheckpointError::no_set(dir, found));
        }
        let text = read(dir, SUMS, SUMS_LIMIT)?;
        let malformed = |e| CheckpointError::damaged(dir, SUMS, format!("is malformed: {e}"));
        Ok(Self { dir: dir.to_owned(), sums: parse(&text, &SUMMED).map_err(malformed)? })
    }

    /// Reads a file and checks it against its checksum.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, CheckpointError> {
        let bytes = read(&self.dir, name, limit)?;
        self.check_sum(name, &bytes[..])?;
        Ok(bytes)
    }

    /// Checks a file against its length and checksum without keeping it in memory.
    pub(super) fn check(&self, name: &str, length: u64) -> Result<(), CheckpointError> {
        self.check_sum(name, open_of_length(&self.dir, name, length)?)
    }

    fn check_sum(&self, name: &str, content: impl Read) -> Result<(), CheckpointError> {
        let found = checksum(content).map_err(|e| unreadable(&self.dir, name, e))?;
        match self.sums.get(name) {
            Some(sum) if *sum == found => Ok(()),
            Some(_) => Err(CheckpointError::damaged(&self.dir, name, OTHER_SUM)),
            None => Err(CheckpointError::damaged(&self.dir, name, MISSING)),
        }
    }
}

/// Numbers and folders of the sets in a folder, good or not, in order of writing.
pub(super) fn sets_in(folder: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
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

/// Name and path of what is in a folder of checkpoints.
pub(super) fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, CheckpointError> {
    check_folder(folder)?;
    let entry = |entry: Result<fs::DirEntry, Error>| {
        entry.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
    };
    fs::read_dir(folder)
        .and_then(|entries| entries.map(entry).collect())
        .map_err(CheckpointError::io("read", folder))
}

/// Refuses what cannot be a folder of checkpoints.
pub(super) fn check_folder(path: &Path) -> Result<(), CheckpointError> {
    let Some(found) = no_folder(path) else { return Ok(()) };
    let path = path.display();
    Err(CheckpointError::other(format!("{path}: expected a folder of checkpoints, found {found}")))
}

/// What is at a path where a folder should be, if there is none.
fn no_folder(path: &Path) -> Option<&'static str> {
    match (fs::metadata(path), path.is_symlink()) {
        (Ok(found), _) if found.is_dir() => None,
        (Ok(_), _) => Some("a file"),
        (Err(e), false) if e.kind() == ErrorKind::NotFound => Some("nothing"),
        (Err(e), true) if e.kind() == ErrorKind::NotFound => Some("a link to nothing"),
        (Err(e), _) if e.kind() == ErrorKind::NotADirectory => {
            Some("a path that leads through a file")
        }
        (Err(_), _) => None, // what cannot be looked at will say so when it is read
    }
}

/// Checks that a file of a set holds these bytes.
pub(super) fn check_same(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
    let mut file = open_of_length(dir, name, bytes.len() as u64)?;
    let mut buffer = vec![0; 1 << 16];
    for part in bytes.chunks(buffer.len()) {
        let read = &mut buffer[..part.len()];
        file.read_exact(read).map_err(|e| unreadable(dir, name, e))?;
        if read != part {
            return Err(CheckpointError::damaged(dir, name, OTHER_SUM));
        }
    }
    Ok(())
}

/// Reads a whole file of at most `limit` bytes. Memory is taken by the file's true length alone.
fn read(dir: &Path, name: &str, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    let (file, length) = open(dir, name)?;
    if length > limit {
        let wrong = format!("has {length} bytes, more than the {limit} that it can have");
        return Err(CheckpointError::damaged(dir, name, wrong));
    }
    let mut bytes = Vec::new();
    let no_room = |_| unreadable(dir, name, ErrorKind::OutOfMemory.into());
    bytes.try_reserve_exact(length as usize).map_err(no_room)?;
    file.take(limit).read_to_end(&mut bytes).map_err(|e| unreadable(dir, name, e))?;
    Ok(bytes)
}

/// Opens a regular file that should have this length.
fn open_of_length(dir: &Path, name: &str, expected: u64) -> Result<File, CheckpointError> {
    let (file, found) = open(dir, name)?;
    let wrong = || format!("has {found} bytes instead of {expected}");
    (found == expected).then_some(file).ok_or_else(|| CheckpointError::damaged(dir, name, wrong()))
}

/// Opens a regular file; links are not followed.
fn open(dir: &Path, name: &str) -> Result<(File, u64), CheckpointError> {
    let path = dir.join(name);
    let found = fs::symlink_metadata(&path).map_err(|e| unreadable(dir, name, e))?;
    if !found.is_file() {
        return Err(CheckpointError::damaged(dir, name, "is not a regular file"));
    }
    let file = File::open(&path).map_err(|e| unreadable(dir, name, e))?;
    let length = file.metadata().map_err(|e| unreadable(dir, name, e))?.len();
    Ok((file, length))
}

/// What a failed read says of a set: nothing, unless the file is missing, cut short or on a bad sector. A system that
/// is short of files or memory, or may not read, is no reason to step over a good set.
fn unreadable(dir: &Path, name: &str, error: Error) -> CheckpointError {
    /// The number of `EIO` on Unix systems.
    const BAD_SECTOR: i32 = 5;
    let of_the_set = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof, ErrorKind::NotADirectory];
    let bad_sector = cfg!(unix) && error.raw_os_error() == Some(BAD_SECTOR);
    match error.kind() {
        ErrorKind::NotFound => CheckpointError::damaged(dir, name, MISSING),
        kind if bad_sector || of_the_set.contains(&kind) => {
            CheckpointError::damaged(dir, name, format!("cannot be read: {error}"))
        }
        _ => CheckpointError::io("read", &dir.join(name))(error),
    }
}
