//! Share, then unshare (SWE, Yang et al. 2021, arXiv 2110.03848): all layers are one at first, run at full depth, and
//! part for good when their gradients no longer point the same way.

use burn::tensor::Tensor;
use burn_apollo::ApolloConfig;
use burn_apollo::depth::ConstantHigh;
use burn_apollo::schedule::{Decision, GrowthPolicy, Observation, Schedule, ScheduleError};

use crate::common::{Failure, run_error};
use crate::run::{LAYERS, Run};

const ALIKE: &str = "cosine of neighbours";
/// Neighbours with a lower cosine have parted.
const THRESHOLD: f64 = 0.5;
/// How often in a row most neighbours must have parted.
const PATIENCE: u32 = 3;
/// The steps at which the loop measures.
const EVERY: u64 = 4;

/// Grows when most neighbours have parted, several measurements in a row; at the latest where the schedule says.
#[derive(Debug, Clone, Default)]
struct Decorrelate {
    parted: u32,
}

impl GrowthPolicy for Decorrelate {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        let alike: Vec<f64> =
            now.measured.iter().filter(|m| m.name == ALIKE).map(|m| m.value).collect();
        if !alike.is_empty() {
            let parted = alike.iter().filter(|cosine| **cosine < THRESHOLD).count();
            self.parted = if 2 * parted > alike.len() { self.parted + 1 } else { 0 };
            let mean = alike.iter().sum::<f64>() / alike.len() as f64;
            println!("  step {}: cosine of neighbours {mean:.2}", now.step - 1);
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
    let (loss, grads) = run.backward(&untied);
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
