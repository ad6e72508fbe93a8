//! What the runs came to, beside each other.

use std::path::Path;

use apollo_examples::{Failure, run_error};
use burn_apollo_lab::folder::{to_json, write_file};
use burn_apollo_lab::results::{Growth, SUMMARY};
use serde::{Deserialize, Serialize};

/// A finished run.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    #[serde(default)]
    pub steps: u64,
    pub layer_passes: u64,
    pub growths: Vec<Growth>,
    pub val_loss: f64,
}

/// A policy's run and the fixed schedule's at the same cost.
#[derive(Serialize)]
pub struct Entry {
    pub policy: &'static str,
    pub found: Outcome,
    pub fixed: Outcome,
}

impl Outcome {
    /// Of the finished run of `steps` in a folder.
    pub fn read(dir: &Path, steps: u64) -> Result<Self, Failure> {
        let file = dir.join(SUMMARY);
        let failed = |e: &dyn std::fmt::Display| run_error(format!("{}: {e}", file.display()));
        let text = std::fs::read_to_string(&file).map_err(|e| failed(&e))?;
        let outcome: Self = serde_json::from_str(&text).map_err(|e| failed(&e))?;
        Ok(Self { steps, ..outcome })
    }
}

/// Writes the summary of all runs and prints it as a table.
pub fn finish(out: &Path, runs: &[Entry]) -> Result<(), Failure> {
    let summary = to_json(&serde_json::json!({ "runs": runs }));
    write_file(&out.join(SUMMARY), &summary).map_err(run_error)?;
    println!(
        "{:<24} {:>6} {:>13} {:>16}  grown before steps",
        "", "steps", "layer passes", "validation loss"
    );
    for Entry { policy, found, fixed } in runs {
        for (name, run) in [(*policy, found), ("  fixed schedule", fixed)] {
            let Outcome { steps, layer_passes, growths, val_loss } = run;
            let grown: Vec<u64> = growths.iter().map(|growth| growth.step).collect();
            println!("{name:<24} {steps:>6} {layer_passes:>13} {val_loss:>16.4}  {grown:?}");
        }
    }
    println!("written: {}", out.display());
    Ok(())
}
