//! A model's folder is written as a whole.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use burn_apollo_lab::Existing;
use burn_apollo_lab::folder::{CONFIG, remove_file};

use super::weights::{INDEX, WEIGHTS};
use crate::files::EXPORTING;
use crate::text::corpus::vocabulary::{TOKENIZER, TOKENIZER_CONFIG};
use crate::{Content, Failure, check_folder, run_error, usage};

/// What an export replaces, the configuration last: without it a folder holds no model.
const FILES: [&str; 5] = [WEIGHTS, INDEX, TOKENIZER, TOKENIZER_CONFIG, CONFIG];

/// Lets `write` fill a folder within `dir`, and then puts its files in their places, and away those of a model before. What a
/// killed export left is removed.
pub fn export(
    dir: &Path,
    existing: Existing,
    write: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    check_folder("--export", dir, Content::Model, existing)?;
    let (within, is_new) = (dir.join(EXPORTING), !dir.exists());
    let failed = |e: &dyn Display| run_error(format!("--export {}: {e}", dir.display()));
    if within.exists() {
        fs::remove_dir_all(&within).map_err(|e| failed(&e))?;
    }
    fs::create_dir_all(&within)
        .map_err(|e| usage(format!("--export {}: cannot be made: {e}", dir.display())))?;
    let written = write(&within).and_then(|()| {
        let place = |name: &str| match within.join(name) {
            new if new.exists() => fs::rename(new, dir.join(name)),
            _ => remove_file(&dir.join(name)),
        };
        let place = |name: &&str| place(name).map_err(|e| failed(&format!("{name}: {e}")));
        FILES.iter().try_for_each(place)
    });
    // Nobody misses it: the next export would remove it.
    let _ = fs::remove_dir_all(&within);
    if is_new && written.is_err() {
        let _ = fs::remove_dir(dir);
    }
    written
}
