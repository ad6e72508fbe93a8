//! Tables of results that a resumed run goes on writing.

use std::fs::{File, OpenOptions};
use std::path::Path;

use serde::Serialize;

use crate::error::{LabError, Result};
use crate::folder::files::{sync_folder, write_file};
use crate::observer::{Observer, Start};
use crate::results::{Row, STEPS, VALIDATION, ValidationRow};

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
    pub fn create(folder: &Path, name: &'static str) -> Result<Self> {
        let path = folder.join(name);
        let file = File::create(&path).and_then(|file| {
            sync_folder(folder)?;
            Ok(file)
        });
        let file = file.map_err(|e| LabError::file(&path, e))?;
        Ok(Self { name, csv: csv::Writer::from_writer(file) })
    }

    /// The table of an earlier run, cut to the rows of the steps to `keep`: what was written after the checkpoint
    /// is written again. Refused where it has fewer rows than the `least` that the checkpoint came after.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written, and one that lacks rows.
    pub fn resume(
        folder: &Path,
        name: &'static str,
        keep: impl Fn(u64) -> bool,
        least: u64,
    ) -> Result<Self> {
        let path = folder.join(name);
        let kept = rows(&path, keep)?;
        if kept.is_empty() && least == 0 {
            return Self::create(folder, name);
        }
        if (kept.lines().count() as u64) < 1 + least {
            let problem = "lacks rows of steps before the checkpoint";
            return Err(LabError::usage(format!("{}: {problem}", path.display())));
        }
        write_file(&path, &kept).map_err(|e| LabError::file(&path, e))?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.map_err(|e| LabError::file(&path, e))?;
        let csv = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        Ok(Self { name, csv })
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&mut self, row: &impl Serialize) -> Result<()> {
        self.csv.serialize(row).map_err(|e| LabError::write(self.name, e))
    }

    /// Waits until the rows are on the disk: a checkpoint that comes after them can rely on them.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn sync(&mut self) -> Result<()> {
        let done = self.csv.flush().and_then(|()| self.csv.get_ref().sync_data());
        done.map_err(|e| LabError::write(self.name, e))
    }
}

/// The head of a table and the whole rows of the steps to `keep`.
fn rows(path: &Path, keep: impl Fn(u64) -> bool) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|e| LabError::file(path, e))?;
    let step = |line: &str| line.split(',').next().and_then(|s| s.parse::<u64>().ok());
    let lines = text.split_inclusive('\n').enumerate();
    Ok(lines
        .filter(|(_, line)| line.ends_with('\n'))
        .filter(|(i, line)| *i == 0 || step(line).is_some_and(&keep))
        .map(|(_, line)| line)
        .collect())
}

/// Writes `steps.csv` and `validation.csv`.
#[derive(Debug, Default)]
pub(crate) struct Tables(Option<[Table; 2]>);

impl Tables {
    /// None before the run has begun.
    fn table(&mut self, i: usize) -> impl Iterator<Item = &mut Table> {
        self.0.as_mut().map(|tables| &mut tables[i]).into_iter()
    }
}

impl Observer for Tables {
    fn start(&mut self, start: &Start<'_>) -> Result<()> {
        let (folder, step) = (start.folder, start.step);
        self.0 = Some(match step {
            0 => [Table::create(folder, STEPS)?, Table::create(folder, VALIDATION)?],
            _ => [
                Table::resume(folder, STEPS, |row| row < step, step)?,
                Table::resume(folder, VALIDATION, |row| row <= step, 0)?,
            ],
        });
        Ok(())
    }

    fn loss(&mut self, row: &Row) -> Result<()> {
        self.table(0).try_for_each(|steps| steps.write(row))
    }

    fn validation(&mut self, rows: &[ValidationRow]) -> Result<()> {
        self.table(1).try_for_each(|table| rows.iter().try_for_each(|row| table.write(row)))
    }

    fn before_checkpoint(&mut self) -> Result<()> {
        self.0.iter_mut().flatten().try_for_each(Table::sync)
    }
}
