//! Share, then unshare (SWE, Yang et al. 2021, arXiv 2110.03848): all layers are one at first, run at full depth, and
//! part for good when the gradients of neighbours no longer point the same way.

use burn::tensor::Tensor;
use burn_apollo::plan::PlanError;
use burn_apollo::policy::{Decision, GrowthPolicy, Observation};
use burn_apollo::stack::Untied;
use burn_apollo_lab::{Result, Task};
use serde::Serialize;

use crate::plan::Run;

const ALIKE: &str = "cosine of neighbours";
/// Neighbours with a lower cosine have parted.
const THRESHOLD: f64 = 0.5;
/// How often in a row some neighbours must have parted.
const PATIENCE: u32 = 3;
/// The loop measures every so many steps.
const EVERY: u64 = 4;

/// Grows when some neighbours have parted, several measurements in a row; at the latest where the schedule says.
///
/// The paper waits for most neighbours. In this small model only the first part in the time of a run: the cosine of
/// the others stays above 0.85.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Decorrelate {
    // Not a parameter: it changes while the policy decides.
    #[serde(skip)]
    parted: u32,
}

impl GrowthPolicy for Decorrelate {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        if let Some(lowest) = now.named(ALIKE).map(|m| m.value).reduce(f64::min) {
            self.parted = if lowest < THRESHOLD { self.parted + 1 } else { 0 };
        }
        match self.parted >= PATIENCE || now.step >= now.stage_end {
            true => Decision::Grow,
            false => Decision::Stay,
        }
    }

    // What a resumed run needs to decide alike.
    fn state(&self) -> Vec<f64> {
        vec![f64::from(self.parted)]
    }

    fn restore(&mut self, state: &[f64]) -> Result<(), PlanError> {
        let [parted] = *state else {
            return Err(PlanError::new("decorrelate.state", state.len(), "1 number"));
        };
        self.parted = parted as u32;
        Ok(())
    }
}

/// A training step that, now and then, takes the gradient of every use of the layer apart before it adds them up.
pub fn step<T: Task>(run: &mut Run<T>) -> Result<()> {
    if run.apollo.stage() > 0 || !run.apollo.step_count().is_multiple_of(EVERY) {
        return run.step().map(drop);
    }
    let mut lowest = 1.0_f64;
    run.step_with(|step, model, batch| {
        let untied = Untied::new(model);
        let (loss, grads) = step.backward(untied.model(), batch);
        for stack in untied.gradients(&grads) {
            for neighbours in stack.windows(2) {
                let cosine = cosine(&neighbours[0], &neighbours[1])?;
                step.record(ALIKE, cosine);
                lowest = lowest.min(cosine);
            }
        }
        Ok((loss, untied.tie(grads)))
    })?;
    if lowest < THRESHOLD {
        let step = run.apollo.step_count();
        run.message(&format!("step {step}: cosine of neighbours {lowest:.2}"))?;
    }
    Ok(())
}

fn cosine(a: &Tensor<1>, b: &Tensor<1>) -> Result<f64> {
    let dot = |a: &Tensor<1>, b: &Tensor<1>| (a.clone() * b.clone()).sum();
    Ok((dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).try_into_scalar()?)
}
