//! Tables of results that a resumed run goes on writing.

use std::fs::{File, OpenOptions};

use serde::Serialize;

use crate::common::training::run_dir::RunDir;
use crate::common::{Failure, run_error, usage};

/// A CSV file whose first column is the step.
pub struct Table {
    name: &'static str,
    csv: csv::Writer<File>,
}

impl Table {
    /// A new table.
    pub fn create(dir: &RunDir, name: &'static str) -> Result<Self, Failure> {
        let path = dir.file(name);
        let file = File::create(&path).and_then(|file| {
            dir.sync()?;
            Ok(file)
        });
        let file = file.map_err(|e| usage(format!("{}: {e}", path.display())))?;
        Ok(Self { name, csv: csv::Writer::from_writer(file) })
    }

    /// The table of an earlier run, cut to the rows of the steps to `keep`: what was written after the checkpoint
    /// is written again. Refused where it has fewer rows than the `least` that the checkpoint came after.
    pub fn resume(
        dir: &RunDir,
        name: &'static str,
        keep: impl Fn(u64) -> bool,
        least: u64,
    ) -> Result<Self, Failure> {
        let path = dir.file(name);
        let failed = |e: std::io::Error| usage(format!("{}: {e}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let step = |line: &str| line.split(',').next().and_then(|s| s.parse::<u64>().ok());
        let lines = text.split_inclusive('\n').enumerate();
        let kept: String = lines
            .filter(|(_, line)| line.ends_with('\n'))
            .filter(|(i, line)| *i == 0 || step(line).is_some_and(&keep))
            .map(|(_, line)| line)
            .collect();
        if kept.is_empty() && least == 0 {
            return Self::create(dir, name);
        }
        if (kept.lines().count() as u64) < 1 + least {
            return Err(usage(format!(
                "{}: lacks rows of steps before the checkpoint",
                path.display()
            )));
        }
        dir.write(name, &kept).map_err(usage)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        let csv = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        Ok(Self { name, csv })
    }

    pub fn write(&mut self, row: &impl Serialize) -> Result<(), Failure> {
        self.csv.serialize(row).map_err(|e| run_error(format!("{}: {e}", self.name)))
    }

    /// Waits until the rows are on the disk: a checkpoint that comes after them can rely on them.
    pub fn sync(&mut self) -> Result<(), Failure> {
        self.csv
            .flush()
            .and_then(|()| self.csv.get_ref().sync_data())
            .map_err(|e| run_error(format!("{}: {e}", self.name)))
    }
}
