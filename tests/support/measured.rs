//! A growth policy that looks at what a training loop measures.

use burn_apollo::Plan;
use burn_apollo::plan::PlanError;
use burn_apollo::policy::{Decision, GrowthPolicy, GrowthPolicyConfig, Observation};
use serde::Serialize;

use super::stages;

/// Grows to the stage that a measurement names, and remembers how much it has heard.
#[derive(Debug, Clone, Default, Serialize)]
struct AsMeasured {
    #[serde(skip)]
    heard: f64,
}

impl GrowthPolicy for AsMeasured {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        for measurement in now.named("push") {
            assert_eq!(measurement.step + 1, now.step, "of the step that was done last");
            self.heard += measurement.value;
        }
        // Stages 0, 1, 3: the second growth leaves a stage out.
        match (now.stage, self.heard) {
            (0, heard) if heard >= 3.0 => Decision::Grow,
            (1, heard) if heard >= 6.0 => Decision::GrowTo(now.stages - 1),
            _ => Decision::Stay,
        }
    }

    fn state(&self) -> Vec<f64> {
        vec![self.heard]
    }

    fn restore(&mut self, state: &[f64]) -> Result<(), PlanError> {
        let [heard] = *state else {
            return Err(PlanError::new("as measured.state", state.len(), "1 number"));
        };
        self.heard = heard;
        Ok(())
    }
}

/// Growths when six units of `push` have been heard, three each.
pub fn measured_plan() -> Plan {
    Plan::new(40)
        .with_schedule(stages(&[(1, 37), (2, 38), (4, 39)], 6))
        .with_policy(GrowthPolicyConfig::custom("as measured", AsMeasured::default()).unwrap())
        .with_seed(3)
}
