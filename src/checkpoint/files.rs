//! Files that are written for good and read with suspicion.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Read, Write};
use std::path::Path;
use std::thread;

use super::find;
use super::sums::{Sums, checksum, checksum_of};
use super::{CheckpointError, Damage};

/// The files of a set.
pub(crate) const MODEL: &str = "model.bpk";
pub(crate) const OPTIM: &str = "optim.bpk";
pub(crate) const SCHEDULER: &str = "scheduler.bpk";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SUMS: &str = "SHA256SUMS";
pub(super) const SUMMED: [&str; 4] = [MODEL, OPTIM, SCHEDULER, MANIFEST];

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
) -> Result<[u8; 32], CheckpointError> {
    let (written, sum) = thread::scope(|scope| {
        let sum = thread::Builder::new().spawn_scoped(scope, || checksum(bytes)).ok();
        (write(dir, name, bytes), sum.and_then(|sum| sum.join().ok()))
    });
    written?;
    // Where there was no thread to be had.
    Ok(sum.unwrap_or_else(|| checksum(bytes)))
}

/// Waits until the entries of a folder are on the disk.
pub(super) fn sync_dir(dir: &Path) -> Result<(), CheckpointError> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    // Other systems have no way to do it, and journal their folders.
    match cfg!(unix) {
        true => File::open(dir)
            .and_then(|file| file.sync_all())
            .map_err(CheckpointError::io("synced", dir)),
        false => Ok(()),
    }
}

/// The checksums of the set in `dir`.
pub(super) fn read_sums(dir: &Path) -> Result<Sums, CheckpointError> {
    // The set itself may be a link, to where there is room; what is in it may not.
    if let Some(found) = no_folder(dir) {
        return Err(CheckpointError::NotASet { path: dir.to_owned(), found });
    }
    if !dir.join(SUMS).is_symlink() && !dir.join(SUMS).exists() && find::has_sets(dir) {
        let found = "a folder of them: open one of them, or take the newest with `latest_good`";
        return Err(CheckpointError::NotASet { path: dir.to_owned(), found });
    }
    let text = read(dir, SUMS, SUMS_LIMIT)?;
    let malformed = |message| CheckpointError::damaged(dir, SUMS, Damage::Malformed(message));
    Sums::parse(&text, &SUMMED).map_err(malformed)
}

/// What is at a path where a folder should be, if there is none.
pub(super) fn no_folder(path: &Path) -> Option<&'static str> {
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

/// Reads a file of a set and checks it against its checksum.
pub(super) fn read_checked(
    dir: &Path,
    name: &str,
    sums: &Sums,
    limit: u64,
) -> Result<Vec<u8>, CheckpointError> {
    let bytes = read(dir, name, limit)?;
    match sums.get(name) {
        Some(sum) if *sum == checksum(&bytes) => Ok(bytes),
        Some(_) => Err(CheckpointError::damaged(dir, name, Damage::Checksum)),
        None => Err(CheckpointError::damaged(dir, name, Damage::Missing)),
    }
}

/// Checks a file of a set against its length and checksum without keeping it in memory.
pub(super) fn check(
    dir: &Path,
    name: &str,
    sums: &Sums,
    expected: u64,
) -> Result<(), CheckpointError> {
    let damaged = |damage| Err(CheckpointError::damaged(dir, name, damage));
    let file = open_of_length(dir, name, expected)?;
    let (sum, found) = checksum_of(file).map_err(|e| unreadable(dir, name, &e))?;
    match (sums.get(name), found == expected) {
        (Some(should), true) if *should == sum => Ok(()),
        (None, _) => damaged(Damage::Missing),
        _ => damaged(Damage::Checksum),
    }
}

/// Checks that a file of a set holds these bytes.
pub(super) fn check_same(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
    let mut file = open_of_length(dir, name, bytes.len() as u64)?;
    let mut buffer = vec![0; 1 << 16];
    for part in bytes.chunks(buffer.len()) {
        let read = &mut buffer[..part.len()];
        file.read_exact(read).map_err(|e| unreadable(dir, name, &e))?;
        if read != part {
            return Err(CheckpointError::damaged(dir, name, Damage::Checksum));
        }
    }
    Ok(())
}

/// Reads a whole file of at most `limit` bytes. Memory is taken by the file's true length alone.
fn read(dir: &Path, name: &str, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    let (file, length) = open(dir, name)?;
    if length > limit {
        return Err(CheckpointError::damaged(dir, name, Damage::TooLarge { found: length, limit }));
    }
    let mut bytes = Vec::new();
    let no_room = |_| {
        let cause = Error::from(ErrorKind::OutOfMemory);
        CheckpointError::io("read", &dir.join(name))(cause)
    };
    bytes.try_reserve_exact(length as usize).map_err(no_room)?;
    file.take(limit).read_to_end(&mut bytes).map_err(|e| unreadable(dir, name, &e))?;
    Ok(bytes)
}

/// Opens a regular file that should have this length.
fn open_of_length(dir: &Path, name: &str, expected: u64) -> Result<File, CheckpointError> {
    match open(dir, name)? {
        (file, length) if length == expected => Ok(file),
        (_, found) => Err(CheckpointError::damaged(dir, name, Damage::Length { found, expected })),
    }
}

/// Opens a regular file; links are not followed.
fn open(dir: &Path, name: &str) -> Result<(File, u64), CheckpointError> {
    let path = dir.join(name);
    let found = fs::symlink_metadata(&path).map_err(|e| unreadable(dir, name, &e))?;
    if !found.is_file() {
        return Err(CheckpointError::damaged(dir, name, Damage::NotAFile));
    }
    let file = File::open(&path).map_err(|e| unreadable(dir, name, &e))?;
    let length = file.metadata().map_err(|e| unreadable(dir, name, &e))?.len();
    Ok((file, length))
}

/// What a failed read says of a set: nothing, unless the file is missing, cut short or on a bad sector. A system that
/// is short of files or memory, or may not read, is no reason to step over a good set.
fn unreadable(dir: &Path, name: &str, error: &Error) -> CheckpointError {
    /// The number of `EIO` on Unix systems.
    const BAD_SECTOR: i32 = 5;
    let damage = Damage::Unreadable(error.to_string());
    match error.kind() {
        ErrorKind::NotFound => CheckpointError::damaged(dir, name, Damage::Missing),
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::NotADirectory => {
            CheckpointError::damaged(dir, name, damage)
        }
        _ if cfg!(unix) && error.raw_os_error() == Some(BAD_SECTOR) => {
            CheckpointError::damaged(dir, name, damage)
        }
        kind => CheckpointError::io("read", &dir.join(name))(
            error.raw_os_error().map_or_else(|| kind.into(), Error::from_raw_os_error),
        ),
    }
}
