//! Try candidate growths for a few steps, keep the best (LAG, Karp et al. 2024, arXiv 2406.02469): the loss right after
//! a growth says little about what it will be good for, the loss a short while later much.

use apollo_examples::options::text::TextConfig;
use burn_apollo::apollo::{GrowthRequest, InferenceDepth};
use burn_apollo::expand::Stacking;
use burn_apollo::policy::{Decision, GrowthPolicy, Observation};
use burn_apollo_lab::{Branch, LabError, Result, Task};
use serde::Serialize;

use crate::plan::Run;

/// How long a candidate is trained before it is judged.
const LAG: u64 = 8;

/// The training loop grows the model, not the policy.
#[derive(Debug, Clone, Serialize)]
pub struct ByHand;

impl GrowthPolicy for ByHand {
    fn decide(&mut self, _now: &Observation<'_>) -> Decision {
        Decision::Stay
    }
}

fn candidates<T: Task>(run: &Run<T>) -> Vec<(&'static str, GrowthRequest)> {
    let (stage, stages) = (run.apollo.stage(), run.apollo.timeline().stages());
    let mut candidates = vec![("interpolation", GrowthRequest::next())];
    if run.apollo.unique_layers() > 1 {
        candidates.push(("stacking", GrowthRequest::next().with_expander(Stacking)));
    }
    if stage + 2 < stages {
        candidates.push(("two stages at once", GrowthRequest::to_stage(stage + 2)));
    }
    candidates
}

/// A training step, or where the stage ends as many steps as the best candidate was trained.
pub fn step<T: Task>(run: &mut Run<T>) -> Result<()> {
    let (step, stage, timeline) =
        (run.apollo.step_count(), run.apollo.stage(), run.apollo.timeline());
    if step < timeline.end(stage) || stage + 1 == timeline.stages() {
        return run.step().map(drop);
    }
    let (candidates, steps) = (candidates(run), LAG.min(run.left()));
    let mut tried = Vec::new();
    for (name, growth) in candidates {
        let mut branch = run.branch();
        match train(&mut branch, &growth, steps) {
            Ok(()) => {
                let loss = branch.loss(InferenceDepth::Full)?;
                let words = format!("{name}: loss {loss:.4} after {steps} steps");
                run.message(&format!("step {step}: {words}"))?;
                tried.push((loss, branch));
            }
            Err(LabError::Step(error)) => {
                let error = LabError::Step(error).chain();
                run.message(&format!("step {step}: {name}: failed: {error}"))?;
            }
            Err(error) => return Err(error),
        }
    }
    let tried = tried.into_iter().filter(|(loss, _)| loss.is_finite());
    match tried.min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, best)) => run.adopt(best),
        None => Err(LabError::failed(format!("step {step}: every candidate failed"))),
    }
}

/// Grows a branch and trains it for a while.
fn train<T: Task>(
    branch: &mut Branch<T, TextConfig>,
    growth: &GrowthRequest,
    steps: u64,
) -> Result<()> {
    branch.grow(growth)?;
    (0..steps).try_for_each(|_| branch.step().map(drop))
}
