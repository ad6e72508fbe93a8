use serde::{Deserialize, Serialize};

use super::ScheduleError;

/// What the learning rate does over a run, as fractions of its steps and of its peak.
///
/// [`scheduler`](Self::scheduler) builds Burn's scheduler of it.
///
/// ```toml
/// lr = { cosine = { warm_up = 0.025, end = 0.1 } }                # the default
/// lr = { warmup_stable_decay = { warm_up = 0.02, decay = 0.2 } }
/// lr = "constant"
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LrShape {
    /// The peak at every step.
    Constant,
    /// A linear warm-up to the peak, then half a period of a cosine over the rest of the run (Loshchilov & Hutter, ICLR
    /// 2017, without restarts).
    Cosine {
        /// Warm-up, as a fraction of the run in `[0, 1)`: whole steps, rounded down, at least one.
        warm_up: f64,
        /// The rate at the end of the run, as a fraction of the peak in `[0, 1]`.
        end: f64,
    },
    /// A linear warm-up to the peak, the peak, then a linear decay (Hu et al., MiniCPM, arXiv 2404.06395): late growth
    /// wants the rate to stay high until it has mixed (Bu, arXiv 2511.04981).
    WarmupStableDecay {
        /// Warm-up, as a fraction of the run in `[0, 1)`: whole steps, rounded down, at least one.
        warm_up: f64,
        /// Decay, as a fraction of the run in `[0, 1]`: its last steps, rounded down.
        decay: f64,
        /// The rate at the end of the run, as a fraction of the peak in `[0, 1]`.
        #[serde(default)]
        end: f64,
    },
}

/// A warm-up over 2.5 % of the steps and a cosine down to a tenth of the peak.
impl Default for LrShape {
    fn default() -> Self {
        Self::Cosine { warm_up: 0.025, end: 0.1 }
    }
}

/// Whole steps of a fraction of a run, rounded down.
pub(crate) fn steps_of(fraction: f64, steps: u64) -> u64 {
    // 0.29 * 100.0 is 28.999999999999996.
    ((fraction * steps as f64 * (1.0 + 1e-12)).floor() as u64).min(steps)
}

impl LrShape {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Parameter`] for a fraction outside its range, or a warm-up and a decay that are more than the
    /// run.
    pub fn check(&self) -> Result<(), ScheduleError> {
        let error = |field, expected, found| {
            Err(ScheduleError::Parameter { owner: "LrShape", field, expected, found })
        };
        let (warm_up, decay, end) = match *self {
            Self::Constant => return Ok(()),
            Self::Cosine { warm_up, end } => (warm_up, 0.0, end),
            Self::WarmupStableDecay { warm_up, decay, end } => (warm_up, decay, end),
        };
        if !(0.0..1.0).contains(&warm_up) {
            return error("warm_up", "at least 0 and below 1", warm_up);
        }
        if !(0.0..=1.0).contains(&end) {
            return error("end", "between 0 and 1", end);
        }
        if !(0.0..=1.0 - warm_up).contains(&decay) {
            return error("decay", "at least 0 and at most what the warm-up leaves of 1", decay);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_become_whole_steps() {
        assert_eq!(steps_of(0.29, 100), 29);
        assert_eq!(steps_of(0.025, 700), 17);
        assert_eq!(steps_of(1.0, u64::MAX), u64::MAX);
        for steps in 0..100_000 {
            assert_eq!(steps_of(0.025, steps), steps / 40);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let shape = |warm_up, decay, end| LrShape::WarmupStableDecay { warm_up, decay, end };
        for wrong in [
            shape(-0.1, 0.2, 0.0),
            shape(1.0, 0.0, 0.0),
            shape(0.5, 0.6, 0.0),
            shape(0.1, f64::NAN, 0.0),
            shape(0.1, 0.2, 1.5),
            LrShape::Cosine { warm_up: f64::NAN, end: 0.0 },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        assert_eq!(shape(0.5, 0.5, 1.0).check(), Ok(()));
        assert_eq!(LrShape::default().check(), Ok(()));
    }

    #[test]
    fn it_is_data() {
        let json = |shape: &LrShape| serde_json::to_string(shape).unwrap();
        assert_eq!(json(&LrShape::Constant), r#""constant""#);
        assert_eq!(json(&LrShape::default()), r#"{"cosine":{"warm_up":0.025,"end":0.1}}"#);
        let read: LrShape =
            serde_json::from_str(r#"{"warmup_stable_decay":{"warm_up":0.02,"decay":0.2}}"#)
                .unwrap();
        assert_eq!(read, LrShape::WarmupStableDecay { warm_up: 0.02, decay: 0.2, end: 0.0 });
        assert!(serde_json::from_str::<LrShape>(r#"{"cosine":{"warm":0.1,"end":0.1}}"#).is_err());
    }
}
