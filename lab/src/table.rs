//! Tables of results that a resumed run goes on writing.

use std::fs::{File, OpenOptions};
use std::path::Path;

use serde::Serialize;

use crate::error::{LabError, Result};
use crate::folder::{RunFolder, write_file};

/// A CSV file in a run's folder whose first column is the step.
#[derive(Debug)]
pub struct Table {
    name: &'static str,
    csv: csv::Writer<File>,
}

impl Table {
    /// A new table.
    ///
    /// # Errors
    ///
    /// A file that cannot be made.
    pub fn create(dir: &RunFolder, name: &'static str) -> Result<Self> {
        let path = dir.file(name);
        let file = File::create(&path).and_then(|file| {
            dir.sync()?;
            Ok(file)
        });
        let file = file.map_err(|e| LabError::File { path, cause: e.into() })?;
        Ok(Self { name, csv: csv::Writer::from_writer(file) })
    }

    /// The table of an earlier run, cut to the rows of the steps to `keep`: what was written after the checkpoint
    /// is written again. Refused where it has fewer rows than the `least` that the checkpoint came after.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written, and one that lacks rows.
    pub fn resume(
        dir: &RunFolder,
        name: &'static str,
        keep: impl Fn(u64) -> bool,
        least: u64,
    ) -> Result<Self> {
        let path = dir.file(name);
        let failed = |e: std::io::Error| LabError::File { path: path.clone(), cause: e.into() };
        let kept = rows(&path, keep)?;
        if kept.is_empty() && least == 0 {
            return Self::create(dir, name);
        }
        if (kept.lines().count() as u64) < 1 + least {
            return Err(LabError::LacksRows { path });
        }
        dir.write(name, &kept)
            .map_err(|e| LabError::File { path: path.clone(), cause: e.into() })?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        let csv = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        Ok(Self { name, csv })
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&mut self, row: &impl Serialize) -> Result<()> {
        self.csv.serialize(row).map_err(|e| self.failed(e.into()))
    }

    /// Waits until the rows are on the disk: a checkpoint that comes after them can rely on them.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn sync(&mut self) -> Result<()> {
        self.csv
            .flush()
            .and_then(|()| self.csv.get_ref().sync_data())
            .map_err(|e| self.failed(e.into()))
    }

    fn failed(&self, cause: Box<dyn std::error::Error + Send + Sync>) -> LabError {
        LabError::Write { name: self.name.to_owned(), cause }
    }
}

/// The head of a table and the whole rows of the steps to `keep`.
fn rows(path: &Path, keep: impl Fn(u64) -> bool) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| LabError::File { path: path.to_owned(), cause: e.into() })?;
    let step = |line: &str| line.split(',').next().and_then(|s| s.parse::<u64>().ok());
    let lines = text.split_inclusive('\n').enumerate();
    Ok(lines
        .filter(|(_, line)| line.ends_with('\n'))
        .filter(|(i, line)| *i == 0 || step(line).is_some_and(&keep))
        .map(|(_, line)| line)
        .collect())
}

/// Writes a table with the rows of another.
pub(crate) fn copy(from: &Path, to: &Path, keep: impl Fn(u64) -> bool) -> Result<()> {
    write_file(to, &rows(from, keep)?).map_err(|e| LabError::Write {
        name: to.display().to_string(),
        cause: e.to_string().into(),
    })
}
