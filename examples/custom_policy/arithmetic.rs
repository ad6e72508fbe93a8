//! A few lines of arithmetic: the run doubles its layers at the steps s, 2s, 4s, …

use burn_apollo::ApolloConfig;
use burn_apollo::schedule::{Decision, GrowthPolicy, Observation, Schedule, Stage, Until};

use crate::common::Failure;
use crate::run::{LAYERS, Run};

/// The stage is a function of the step. It has no state to resume, and all devices agree on it without talking.
#[derive(Debug, Clone)]
struct Doubling {
    first: u64,
}

impl GrowthPolicy for Doubling {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        let doublings = (now.step / self.first).checked_ilog2().map_or(0, |log| log as usize + 1);
        let wanted = doublings.min(now.stages - 1);
        match wanted > now.stage {
            true => {
                println!("  step {}: doubling {doublings} is due", now.step);
                Decision::GrowTo(wanted)
            }
            false => Decision::Stay,
        }
    }
}

pub fn config(steps: u64) -> ApolloConfig {
    // The schedule lists the sizes; its ends are not looked at.
    let sizes = (0..).map(|log| LAYERS.min(1 << log)).take(LAYERS.ilog2() as usize + 1);
    let stages = (1..).zip(sizes).map(|(end, layers)| Stage {
        layers: vec![layers],
        until: (layers < LAYERS).then_some(Until::Step(end)),
    });
    ApolloConfig::new(steps)
        .with_schedule(Schedule { stages: stages.collect() })
        .with_policy(Doubling { first: (steps / 16).max(1) })
}

/// The training loop need not know.
pub fn step(run: &mut Run) -> Result<(), Failure> {
    run.step()
}
