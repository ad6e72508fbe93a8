use std::path::Path;

use crate::table;

const STEPS: &str = "step,stage,unique_layers,virtual_depth,lr,train_loss,items";
const VALIDATION: &str = "step,stage,unique_layers,depth,val_loss,val_accuracy,operations";
const FILES: [&str; 5] =
    ["config.json", "steps.csv", "validation.csv", "summary.json", "model.bpk"];

/// The rows of `steps.csv` against the first step and the unique layers of each stage; gives the items of each step.
pub fn check_steps(dir: &Path, stages: &[(usize, f64)], depth: f64) -> Vec<f64> {
    FILES.iter().for_each(|file| assert!(dir.join(file).exists(), "{file}"));
    assert!(dir.join("checkpoints").is_dir());
    let (names, rows) = table(dir, "validation.csv");
    assert_eq!(names, VALIDATION);
    assert_eq!(rows.last().unwrap()[..4], [30.0, stages.len() as f64 - 1.0, depth, depth]);
    assert!(rows.iter().all(|row| row[4] > 0.0 && (0.0..=1.0).contains(&row[5])));

    let (names, rows) = table(dir, "steps.csv");
    assert_eq!((names.as_str(), rows.len()), (STEPS, 30));
    for (step, row) in rows.iter().enumerate() {
        let stage = stages.iter().rposition(|(first, _)| step >= *first).unwrap();
        assert_eq!(row[..3], [step as f64, stage as f64, stages[stage].1], "step {step}");
        assert!(row[2] <= row[3] && row[3] <= depth && row[5].is_finite(), "{row:?}");
    }
    rows.iter().map(|row| row[6]).collect()
}
