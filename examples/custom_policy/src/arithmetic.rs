//! A few lines of arithmetic: the run doubles its layers at the steps s, 2s, 4s, …

use burn_apollo::policy::{Decision, GrowthPolicy, Observation};
use burn_apollo::schedule::{Schedule, Stage, Until};
use serde::Serialize;

/// The stage is a function of the step. It has no state to resume, and all devices agree on it without talking.
#[derive(Debug, Clone, Serialize)]
pub struct Doubling {
    first: u64,
}

impl Doubling {
    /// Doubles to `layers` in the first quarter of `steps`.
    pub fn of(layers: usize, steps: u64) -> Self {
        Self { first: (steps >> (doublings(layers) + 1)).max(1) }
    }
}

impl GrowthPolicy for Doubling {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        let doublings = (now.step / self.first).checked_ilog2().map_or(0, |log| log as usize + 1);
        let wanted = doublings.min(now.stages - 1);
        match wanted > now.stage {
            true => Decision::GrowTo(wanted),
            false => Decision::Stay,
        }
    }
}

/// The sizes, and where they end if nothing hinders.
pub fn schedule(layers: usize, steps: u64) -> Schedule {
    let (first, last) = (Doubling::of(layers, steps).first, doublings(layers));
    let stages = (0..=last).map(|log| Stage {
        layers: vec![layers.min(1 << log)],
        until: (log < last).then_some(Until::Step(first << log)),
    });
    Schedule { stages: stages.collect() }
}

/// How often one layer doubles until there are `layers`.
fn doublings(layers: usize) -> u32 {
    layers.next_power_of_two().ilog2()
}
