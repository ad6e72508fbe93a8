//! Files that are read, and folders that are written.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use burn_apollo_lab::Existing;
use burn_apollo_lab::folder::CONFIG;
use serde_json::Value;

use crate::{Failure, usage};

/// What a pointer of Git LFS begins with, and how long it is at most.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
const LONGEST_POINTER: u64 = 1024;

/// The length of a file that can be read more than once, and is itself there: no pipe, for which a reader would wait, and no
/// pointer of Git LFS.
pub fn regular(path: &Path) -> io::Result<u64> {
    let about = fs::metadata(path)?;
    if about.is_dir() {
        return Err(io::Error::other("is a folder"));
    }
    if !about.is_file() {
        return Err(io::Error::other("is not a regular file; what is read twice must be one"));
    }
    if about.len() <= LONGEST_POINTER {
        let mut start = Vec::new();
        File::open(path)?.take(POINTER.len() as u64).read_to_end(&mut start)?;
        if start == POINTER {
            let words = "is a pointer of Git LFS, not the file; `git lfs pull` fetches that";
            return Err(io::Error::other(words));
        }
    }
    Ok(about.len())
}

/// A file by its path; one of this repository's `data` is found from any folder.
pub fn data_file(text: &str) -> Result<PathBuf, Infallible> {
    let here = PathBuf::from(text);
    let packed = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(text);
    let is_packed = text.starts_with("data/") && !here.exists() && packed.exists();
    Ok(if is_packed { packed.canonicalize().unwrap_or(packed) } else { here })
}

/// What a folder holds, or what is to be written into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Run,
    /// In Hugging Face's layout.
    Model,
    /// Runs beside each other.
    Study,
    /// What no program of these wrote; whether a `config.json` is among it.
    Other(bool),
}

/// Where an export writes until it is complete.
pub const EXPORTING: &str = ".exporting";

impl Content {
    /// Of a folder; none of one that is empty or not there.
    fn of(dir: &Path) -> io::Result<Option<Self>> {
        let names = |dir: &Path| match fs::read_dir(dir) {
            Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>(),
            Err(e)
                if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                Ok(Vec::new())
            }
            Err(e) => Err(e),
        };
        let mut found = names(dir)?;
        found.retain(|name| name != EXPORTING);
        if found.is_empty() {
            return Ok(None);
        }
        let config = fs::read_to_string(dir.join(CONFIG)).ok();
        let config: Option<Value> = config.and_then(|text| serde_json::from_str(&text).ok());
        let has = |field| config.as_ref().is_some_and(|config| config.get(field).is_some());
        let mut sets = names(&dir.join("checkpoints"))?;
        sets.retain(|name| !name.to_string_lossy().starts_with('.'));
        Ok(Some(match has("model_type") {
            true => Self::Model,
            false if has("plan") || !sets.is_empty() => Self::Run,
            false if found.iter().any(|name| name == "compare.json") => Self::Study,
            false => Self::Other(found.iter().any(|name| name == CONFIG)),
        }))
    }
}

/// The rule for all folders that programs write: what is there is replaced by its own kind alone, and by that with `--overwrite`
/// alone. A model wants a folder to itself. What becomes of an earlier run or study, the lab decides.
pub fn check_folder(
    option: &str,
    dir: &Path,
    content: Content,
    existing: Existing,
) -> Result<(), Failure> {
    let refused = |why: &str| Err(usage(format!("{option} {}: {why}", dir.display())));
    let found = match Content::of(dir) {
        Ok(None) => return Ok(()),
        Ok(Some(found)) => found,
        Err(e) => return refused(&format!("cannot be read: {e}")),
    };
    match (found, content) {
        (Content::Model | Content::Other(_), Content::Model) => match (existing, found) {
            (Existing::Overwrite, _) => Ok(()),
            (_, Content::Model) => {
                refused("holds a model; replace it with --overwrite, or name another folder")
            }
            _ => refused(
                "is not empty; name a new folder, or replace files of the same names with --overwrite",
            ),
        },
        (Content::Other(true), Content::Run) => {
            refused("holds a config.json that is no run's; name another folder")
        }
        (found, content) if found == content => Ok(()),
        (Content::Other(_), _) => Ok(()),
        (Content::Run, _) => refused("holds a run; name another folder"),
        (Content::Study, _) => refused("holds a study; name another folder"),
        (Content::Model, _) => {
            refused("holds a model in Hugging Face's layout; name another folder")
        }
    }
}
