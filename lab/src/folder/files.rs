//! Files that are there as a whole or not at all.

use std::fs;
use std::io::Write;
use std::path::Path;

use burn_pack::AtomicFile;
use serde::Serialize;

/// Removes a file, if it is there.
///
/// # Errors
///
/// What the system says.
pub fn remove_file(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Writes a file as a whole or not at all.
///
/// # Errors
///
/// What the system says.
pub fn write_file(path: &Path, content: impl AsRef<[u8]>) -> Result<(), burn_pack::Error> {
    let (scratch, mut file) = AtomicFile::create(path)?;
    let failed = |e| burn_pack::Error::IoError(format!("cannot write '{}': {e}", path.display()));
    file.write_all(content.as_ref()).map_err(failed)?;
    scratch.commit()
}

/// Plain data as JSON, as a run's files have it.
///
/// # Panics
///
/// Where a map's keys are no text.
pub fn to_json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data serialises");
    text.push('\n');
    text
}

/// Waits until the names of new files in a folder are on the disk, where the system can.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    match cfg!(unix) {
        true => fs::File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}
