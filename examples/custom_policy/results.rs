//! What the example leaves behind: a table of steps for every run, and a summary.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::common::results::{Row, SUMMARY};
use crate::common::{Failure, run_error, usage};
use crate::options::Options;

#[derive(Serialize)]
pub struct Outcome {
    pub steps: u64,
    pub passes: u64,
    pub growth_steps: Vec<u64>,
    pub val_loss: f64,
}

/// A policy's run and the fixed schedule's at the same cost.
#[derive(Serialize)]
pub struct Entry {
    pub policy: &'static str,
    pub found: Outcome,
    pub fixed: Outcome,
}

#[derive(Serialize)]
struct Summary<'a> {
    config: &'a Options,
    runs: &'a [Entry],
}

/// The output folder.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    pub fn open(path: &Path, overwrite: bool) -> Result<Self, Failure> {
        let out = path.display();
        if path.join(SUMMARY).exists() && !overwrite {
            return Err(usage(format!(
                "--out {out}: already holds results; replace them with --overwrite, or name another folder"
            )));
        }
        fs::create_dir_all(path).map_err(|e| usage(format!("--out {out}: cannot be made: {e}")))?;
        let probe = path.join(".writable");
        fs::write(&probe, "")
            .and_then(|()| fs::remove_file(&probe))
            .map_err(|e| usage(format!("--out {out}: cannot be written to: {e}")))?;
        Ok(Self { path: path.to_owned() })
    }

    pub fn write_steps(
        &self,
        name: &str,
        rows: impl Iterator<Item = Result<Row, Failure>>,
    ) -> Result<(), Failure> {
        let path = self.path.join(format!("{name}.csv"));
        let failed = |e: csv::Error| run_error(format!("{}: {e}", path.display()));
        let mut table = csv::Writer::from_path(&path).map_err(failed)?;
        for row in rows {
            table.serialize(row?).map_err(failed)?;
        }
        table.flush().map_err(|e| run_error(format!("{}: {e}", path.display())))
    }

    /// Writes the summary and prints it as a table.
    pub fn finish(&self, options: &Options, runs: &[Entry], unit: &str) -> Result<(), Failure> {
        let path = self.path.join(SUMMARY);
        let mut text =
            serde_json::to_string_pretty(&Summary { config: options, runs }).map_err(run_error)?;
        text.push('\n');
        fs::write(&path, text).map_err(|e| run_error(format!("{}: {e}", path.display())))?;
        println!(
            "{:<24} {:>6} {:>13} {:>16}  grown before steps",
            "", "steps", "layer passes", "validation loss"
        );
        for Entry { policy, found, fixed } in runs {
            for (name, run) in [(*policy, found), ("  fixed schedule", fixed)] {
                let Outcome { steps, passes, growth_steps, val_loss } = run;
                println!("{name:<24} {steps:>6} {passes:>13} {val_loss:>16.4}  {growth_steps:?}");
            }
        }
        println!("losses in nats per {unit}; written: {}", self.path.display());
        Ok(())
    }
}
