//! Try candidate growths for a few steps, keep the best (LAG, Karp et al. 2024, arXiv 2406.02469): the loss right after
//! a growth says little about what it will be good for, the loss a short while later much.

use burn_apollo::expand::Stacking;
use burn_apollo::schedule::{Decision, GrowthPolicy, Observation};
use burn_apollo::{Growth, InferenceDepth};

use crate::common::progress::Progress;
use crate::common::{Failure, run_error};
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

fn candidates(run: &Run) -> Vec<(&'static str, Growth)> {
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
pub fn step(mut run: Run, progress: &mut Progress) -> Result<Run, Failure> {
    let (step, stage, stages) = (run.apollo.step_count(), run.apollo.stage(), run.apollo.stages());
    let due = step >= run.apollo.describe().ends[stage];
    if !due || stage + 1 == stages {
        return run.step(progress);
    }
    let mut tried = Vec::new();
    for (name, growth) in candidates(&run) {
        let mut branch = run.branch();
        branch.apollo.grow_now(&mut branch.optim, &growth).map_err(run_error)?;
        for _ in 0..LAG.min(run.left()) {
            branch = branch.step(progress)?;
        }
        let (score, _) = branch.score(InferenceDepth::Full)?;
        let loss = score.loss;
        progress.line(&format!("step {step}: {name}: loss {loss:.4} after {LAG} steps"));
        run.charge(&branch); // all candidates cost layer passes, not only the best
        tried.push((loss, branch));
    }
    match tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, best)) => run.adopt(best),
        None => run.step(progress),
    }
}
