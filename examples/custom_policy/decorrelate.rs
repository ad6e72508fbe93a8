//! Share, then unshare (SWE, Yang et al. 2021, arXiv 2110.03848): all layers are one at first, run at full depth, and
//! part for good when the gradients of neighbours no longer point the same way.

use burn::tensor::Tensor;
use burn_apollo::ApolloConfig;
use burn_apollo::depth::ConstantHigh;
use burn_apollo::schedule::{Decision, GrowthPolicy, Observation, Schedule, ScheduleError};

use crate::common::{Failure, run_error};
use crate::run::{LAYERS, Run};

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
#[derive(Debug, Clone, Default)]
struct Decorrelate {
    parted: u32,
}

impl GrowthPolicy for Decorrelate {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        let alike = now.measured.iter().filter(|m| m.name == ALIKE);
        if let Some(lowest) = alike.map(|m| m.value).reduce(f64::min) {
            self.parted = if lowest < THRESHOLD { self.parted + 1 } else { 0 };
            if self.parted >= PATIENCE {
                println!("  step {}: cosine {lowest:.2}, low {PATIENCE} times in a row", now.step);
            }
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

    fn restore(&mut self, state: &[f64]) -> Result<(), ScheduleError> {
        let [parted] = *state else {
            let (policy, expected, found) = ("Decorrelate", 1, state.len());
            return Err(ScheduleError::PolicyState { policy, expected, found });
        };
        self.parted = parted as u32;
        Ok(())
    }
}

pub fn config(steps: u64) -> ApolloConfig {
    ApolloConfig::new(steps)
        .with_schedule(Schedule::one_hop(&[1], &[LAYERS], 0.5))
        .with_sampler(ConstantHigh)
        .with_policy(Decorrelate::default())
}

/// A training step that, now and then, takes the gradient of every use of the layer apart before it adds them up.
pub fn step(run: &mut Run) -> Result<(), Failure> {
    if run.apollo.stage() > 0 || !run.apollo.step_count().is_multiple_of(EVERY) {
        return run.step();
    }
    let untied = run.apollo.untied();
    let (loss, grads) = run.backward(&untied)?;
    for stack in untied.gradients(&grads) {
        for neighbours in stack.windows(2) {
            run.feed.measure(ALIKE, cosine(&neighbours[0], &neighbours[1])?);
        }
    }
    run.update(loss, untied.tie(grads))
}

fn cosine(a: &Tensor<1>, b: &Tensor<1>) -> Result<f64, Failure> {
    let dot = |a: &Tensor<1>, b: &Tensor<1>| (a.clone() * b.clone()).sum();
    (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).try_into_scalar().map_err(run_error)
}
