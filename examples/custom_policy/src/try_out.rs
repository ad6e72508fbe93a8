//! Try candidate growths for a few steps, keep the best (LAG, Karp et al. 2024, arXiv 2406.02469): the loss right after
//! a growth says little about what it will be good for, the loss a short while later much.

use burn_apollo::expand::Stacking;
use burn_apollo::schedule::{Decision, GrowthPolicy, Observation};
use burn_apollo::{Growth, InferenceDepth};
use burn_apollo_lab::{LabError, Progress, Result, Task};

use crate::plan::Run;

/// How long a candidate is trained before it is judged.
const LAG: u64 = 8;

/// The training loop grows the model, not the policy.
#[derive(Debug, Clone)]
pub struct ByHand;

impl GrowthPolicy for ByHand {
    fn decide(&mut self, _now: &Observation<'_>) -> Decision {
        Decision::Stay
    }
}

fn candidates<T: Task>(run: &Run<T>) -> Vec<(&'static str, Growth)> {
    let (stage, stages) = (run.apollo.stage(), run.apollo.stages());
    let mut candidates = vec![("interpolation", Growth::next())];
    if run.apollo.unique_layers() > 1 {
        candidates.push(("stacking", Growth::next().with_expander(Stacking)));
    }
    if stage + 2 < stages {
        candidates.push(("two stages at once", Growth::to_stage(stage + 2)));
    }
    candidates
}

/// A training step, or where the stage ends as many steps as the best candidate was trained.
pub fn step<T: Task>(mut run: Run<T>, progress: &mut Progress) -> Result<Run<T>> {
    let (step, stage, stages) = (run.apollo.step_count(), run.apollo.stage(), run.apollo.stages());
    let due = step >= run.apollo.describe().ends[stage];
    if !due || stage + 1 == stages {
        return run.step(progress);
    }
    let mut tried = Vec::new();
    for (name, growth) in candidates(&run) {
        let branch = try_out(&run, &growth, progress)?;
        run.charge(&branch); // all candidates cost layer passes, not only the best
        let steps = branch.apollo.step_count() - step;
        match branch.apollo.growth() {
            Ok(_) => {
                let loss = branch.score(InferenceDepth::Full)?.0.loss;
                progress.line(&format!("step {step}: {name}: loss {loss:.4} after {steps} steps"));
                tried.push((loss, branch));
            }
            Err(error) => progress.line(&format!("step {step}: {name}: failed: {error}")),
        }
    }
    let tried = tried.into_iter().filter(|(loss, _)| loss.is_finite());
    match tried.min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, best)) => run.adopt(best),
        None => Err(LabError::failed(format!("step {step}: every candidate failed"))),
    }
}

/// A branch that grew and was trained for a while, or until it failed.
fn try_out<T: Task>(run: &Run<T>, growth: &Growth, progress: &mut Progress) -> Result<Run<T>> {
    let mut branch = run.branch();
    branch.apollo.grow_now(&mut branch.optim, growth).map_err(LabError::Step)?;
    for _ in 0..LAG.min(run.left()) {
        branch = branch.step(progress)?;
        if branch.apollo.growth().is_err() {
            break;
        }
    }
    Ok(branch)
}
