use serde::{Deserialize, Serialize};

use super::WarmUp;
use crate::plan_error::PlanError;

/// What the learning rate does over a run, as fractions of its steps and of its peak.
///
/// [`scheduler`](Self::scheduler) builds Burn's scheduler of it.
///
/// ```toml
/// lr = { cosine = { warm_up = 0.025, end = 0.1 } }                # the default
/// lr = { warmup_stable_decay = { warm_up = 0.02, decay = 0.2 } }
/// lr = { warmup_stable_decay = { warm_up = { steps = 200 }, decay = 0.2 } }
/// lr = "constant"
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LrShape {
    /// The peak at every step.
    Constant,
    /// A linear warm-up to the peak, then half a period of a cosine over the rest of the run (Loshchilov & Hutter, ICLR
    /// 2017, without restarts).
    Cosine {
        /// The warm-up.
        warm_up: WarmUp,
        /// The rate at the end of the run, as a fraction of the peak in `[0, 1]`.
        end: f64,
    },
    /// A linear warm-up to the peak, the peak, then a linear decay (Hu et al., MiniCPM, arXiv 2404.06395): late growth
    /// wants the rate to stay high until it has mixed (Bu, arXiv 2511.04981).
    WarmupStableDecay {
        /// The warm-up.
        warm_up: WarmUp,
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
        Self::Cosine { warm_up: WarmUp::Fraction(0.025), end: 0.1 }
    }
}

/// Whole steps of a fraction of a run, rounded down.
pub(super) fn steps_of(fraction: f64, steps: u64) -> u64 {
    // 0.29 * 100.0 is 28.999999999999996.
    ((fraction * steps as f64 * (1.0 + 1e-12)).floor() as u64).min(steps)
}

impl LrShape {
    /// The same shape with another warm-up, where it has one.
    pub fn with_warm_up(mut self, other: WarmUp) -> Self {
        match &mut self {
            Self::Constant => {}
            Self::Cosine { warm_up, .. } | Self::WarmupStableDecay { warm_up, .. } => {
                *warm_up = other;
            }
        }
        self
    }

    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// A fraction outside its range, or a warm-up and a decay that are more than the run.
    pub fn check(&self) -> Result<(), PlanError> {
        let (warm_up, decay, end) = match *self {
            Self::Constant => return Ok(()),
            Self::Cosine { warm_up, end } => (warm_up, 0.0, end),
            Self::WarmupStableDecay { warm_up, decay, end } => (warm_up, decay, end),
        };
        let warm_up = warm_up.fraction();
        let inside = (0.0..1.0).contains(&warm_up);
        PlanError::unless(inside, "lr.warm_up", warm_up, "at least 0 and below 1")?;
        PlanError::unless((0.0..=1.0).contains(&end), "lr.end", end, "between 0 and 1")?;
        let expected = "at least 0 and at most what the warm-up leaves of 1";
        PlanError::unless((0.0..=1.0 - warm_up).contains(&decay), "lr.decay", decay, expected)
    }

    /// [`check`](Self::check) for a run of `steps` optimizer steps.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and for a warm-up in steps that is no shorter than the run.
    pub fn check_for(&self, steps: u64) -> Result<(), PlanError> {
        self.check()?;
        match *self {
            Self::Cosine { warm_up: WarmUp::Steps(found), .. }
            | Self::WarmupStableDecay { warm_up: WarmUp::Steps(found), .. }
                if found >= steps =>
            {
                let expected = format!("below the run's {steps} steps");
                Err(PlanError::new("lr.warm_up.steps", found, expected))
            }
            _ => Ok(()),
        }
    }

    /// The first of a run's `steps` at which the rate is to fall from its peak; `steps` where it does not fall.
    pub fn decay_begins(&self, steps: u64) -> u64 {
        let falls = |phase: &&Phase| {
            matches!(phase.kind, PhaseKind::Fall { .. } | PhaseKind::Cosine { .. })
        };
        let phases = self.phases(steps);
        let before = phases.iter().take_while(|phase| !falls(phase));
        before.fold(0, |sum: u64, phase| sum.saturating_add(phase.steps)).min(steps)
    }

    /// The phases of a run of `steps` optimizer steps.
    pub(crate) fn phases(&self, steps: u64) -> Vec<Phase> {
        let phases = match *self {
            Self::Constant => vec![(PhaseKind::Peak, steps)],
            Self::Cosine { warm_up, end } => {
                let first = warm_up.steps(steps);
                let rest = steps.saturating_sub(first).max(1);
                vec![(PhaseKind::Rise, first), (PhaseKind::Cosine { end }, rest)]
            }
            Self::WarmupStableDecay { warm_up, decay, end } => {
                let first = warm_up.steps(steps);
                let last = steps_of(decay, steps).min(steps.saturating_sub(first));
                let stable = steps.saturating_sub(first + last);
                let mut phases = vec![(PhaseKind::Rise, first)];
                if stable > 0 || last == 0 {
                    phases.push((PhaseKind::Peak, stable));
                }
                if last > 0 {
                    phases.push((PhaseKind::Fall { end }, last));
                }
                phases
            }
        };
        phases.into_iter().map(|(kind, steps)| Phase { kind, steps }).collect()
    }
}

/// A part of a run with one rule for its learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Phase {
    pub(crate) kind: PhaseKind,
    pub(crate) steps: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PhaseKind {
    /// In a straight line up to the peak.
    Rise,
    Peak,
    /// In a straight line down to this fraction of the peak.
    Fall {
        end: f64,
    },
    /// By half a period of a cosine down to this fraction of the peak.
    Cosine {
        end: f64,
    },
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
        let shape = |warm_up, decay, end| {
            let warm_up = WarmUp::Fraction(warm_up);
            LrShape::WarmupStableDecay { warm_up, decay, end }
        };
        for wrong in [
            shape(-0.1, 0.2, 0.0),
            shape(1.0, 0.0, 0.0),
            shape(0.5, 0.6, 0.0),
            shape(0.1, f64::NAN, 0.0),
            shape(0.1, 0.2, 1.5),
            LrShape::Cosine { warm_up: f64::NAN.into(), end: 0.0 },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        assert_eq!(shape(0.5, 0.5, 1.0).check(), Ok(()));
        assert_eq!(LrShape::default().check(), Ok(()));
        let fixed = LrShape::default().with_warm_up(WarmUp::Steps(100));
        assert_eq!(fixed.check_for(101), Ok(()));
        let too_long = fixed.check_for(100).unwrap_err();
        let words = "`lr.warm_up.steps` must be below the run's 100 steps, found 100";
        assert_eq!(too_long.to_string(), words);
    }

    #[test]
    fn the_decay_begins_after_the_peak() {
        let fixed = LrShape::WarmupStableDecay { warm_up: WarmUp::Steps(20), decay: 0.2, end: 0.0 };
        let cosine = LrShape::Cosine { warm_up: WarmUp::Steps(20), end: 0.1 };
        let begins = [fixed, cosine, LrShape::Constant].map(|shape| shape.decay_begins(1000));
        assert_eq!(begins, [800, 20, 1000]);
    }

    #[test]
    fn it_is_data() {
        let json = |shape: &LrShape| serde_json::to_string(shape).unwrap();
        assert_eq!(json(&LrShape::Constant), r#""constant""#);
        assert_eq!(json(&LrShape::default()), r#"{"cosine":{"warm_up":0.025,"end":0.1}}"#);
        let read: LrShape =
            serde_json::from_str(r#"{"warmup_stable_decay":{"warm_up":0.02,"decay":0.2}}"#)
                .unwrap();
        assert_eq!(read, LrShape::WarmupStableDecay { warm_up: 0.02.into(), decay: 0.2, end: 0.0 });
        let fixed = LrShape::default().with_warm_up(WarmUp::Steps(63));
        assert_eq!(json(&fixed), r#"{"cosine":{"warm_up":{"steps":63},"end":0.1}}"#);
        assert_eq!(serde_json::from_str::<LrShape>(&json(&fixed)).unwrap(), fixed);
        assert!(serde_json::from_str::<LrShape>(r#"{"cosine":{"warm":0.1,"end":0.1}}"#).is_err());
    }
}
