use serde::{Deserialize, Serialize};

use super::{Decision, GrowthPolicy, LOSS, Observation};
use crate::plan_error::PlanError;

/// Grows when the training loss stops falling, at the latest where the schedule ends the stage.
///
/// The recorded losses are smoothed exponentially. Once the smoothed loss has not fallen by the share
/// `threshold` of its size for `patience` optimizer steps whose losses are known, the policy grows. It needs losses
/// ([`Apollo::record_loss`](crate::Apollo::record_loss)); losses that are not finite count as none. A
/// stage longer than `patience` that ends without any is [`Decision::Missing`].
///
/// ```
/// use burn_apollo::policy::{Decision, GrowthPolicy, LossPlateau, Measurement, Observation};
///
/// let mut policy = LossPlateau::new(20)?;
/// let flat: Vec<Measurement> = (0..=30).map(|step| Measurement::loss(step, 2.0, 1)).collect();
/// let now = Observation { step: 30, stage_end: 500, measurements: &flat, ..Default::default() };
/// assert_eq!(policy.decide(&now), Decision::Grow);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct LossPlateau {
    patience: u64,
    threshold: f64,
    smoothing: f64,
    #[serde(skip)]
    tracked: Option<Tracked>,
}

/// What was read and is yet to be checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    patience: u64,
    #[serde(default = "default_threshold")]
    threshold: f64,
    #[serde(default = "default_smoothing")]
    smoothing: f64,
}

const fn default_threshold() -> f64 {
    0.005
}

const fn default_smoothing() -> f64 {
    0.9
}

impl TryFrom<Parameters> for LossPlateau {
    type Error = PlanError;

    fn try_from(read: Parameters) -> Result<Self, PlanError> {
        Self::new(read.patience)?.with_threshold(read.threshold)?.with_smoothing(read.smoothing)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Tracked {
    stage: usize,
    smoothed: f64,
    best: f64,
    best_step: u64,
    /// The latest step whose loss is known: steps without losses are no plateau.
    latest: u64,
}

impl LossPlateau {
    /// Grow after `patience` optimizer steps without a fall of 0.5 %, losses smoothed with factor 0.9.
    ///
    /// # Errors
    ///
    /// A patience of 0.
    pub fn new(patience: u64) -> Result<Self, PlanError> {
        PlanError::unless(patience > 0, "loss_plateau.patience", patience, "at least 1 step")?;
        let (threshold, smoothing) = (default_threshold(), default_smoothing());
        Ok(Self { patience, threshold, smoothing, tracked: None })
    }

    /// The share of the loss, in `[0, 1)`, by which it must fall to count as falling.
    ///
    /// # Errors
    ///
    /// Outside the range.
    pub fn with_threshold(self, threshold: f64) -> Result<Self, PlanError> {
        check_share("loss_plateau.threshold", threshold)?;
        Ok(Self { threshold, ..self })
    }

    /// The weight, in `[0, 1)`, of the past in the smoothed loss; 0 takes losses as they come.
    ///
    /// # Errors
    ///
    /// Outside the range.
    pub fn with_smoothing(self, smoothing: f64) -> Result<Self, PlanError> {
        check_share("loss_plateau.smoothing", smoothing)?;
        Ok(Self { smoothing, ..self })
    }

    fn observe(&mut self, stage: usize, step: u64, loss: f64) {
        if !loss.is_finite() {
            return;
        }
        let fresh = Tracked { stage, smoothed: NONE, best: NONE, best_step: step, latest: step };
        let t = self.tracked.get_or_insert(fresh);
        if t.stage != stage {
            *t = fresh;
        }
        t.latest = t.latest.max(step);
        t.smoothed = match t.best == NONE {
            true => loss,
            false => self.smoothing * t.smoothed + (1.0 - self.smoothing) * loss,
        };
        let share = if t.best < 0.0 { -self.threshold } else { self.threshold };
        if t.smoothed < t.best * (1.0 - share) {
            (t.best, t.best_step) = (t.smoothed, step);
        }
    }
}

/// No loss is known yet.
const NONE: f64 = f64::MAX;

fn check_share(field: &str, share: f64) -> Result<(), PlanError> {
    PlanError::unless((0.0..1.0).contains(&share), field, share, "at least 0 and below 1")
}

impl GrowthPolicy for LossPlateau {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        for loss in now.losses().filter(|m| m.step >= now.stage_start) {
            self.observe(now.stage, loss.step, loss.value);
        }
        let tracked = self.tracked.filter(|t| t.stage == now.stage);
        let flat = tracked.is_some_and(|t| t.latest.saturating_sub(t.best_step) >= self.patience);
        let is_end = now.step >= now.stage_end;
        let is_long = now.step.saturating_sub(now.stage_start) > self.patience;
        match tracked {
            // Without losses it would be the fixed schedule by another name; a short stage has no plateau in any case.
            None if is_end && is_long => Decision::Missing(LOSS),
            _ if is_end || flat => Decision::Grow,
            _ => Decision::Stay,
        }
    }

    fn state(&self) -> Vec<f64> {
        match self.tracked {
            None => vec![-1.0, 0.0, 0.0, 0.0, 0.0],
            Some(t) => {
                vec![t.stage as f64, t.smoothed, t.best, t.best_step as f64, t.latest as f64]
            }
        }
    }

    fn restore(&mut self, state: &[f64]) -> Result<(), PlanError> {
        let finite = state.iter().all(|x| x.is_finite());
        let [stage, smoothed, best, best_step, latest] = *state else {
            return Err(PlanError::new("loss_plateau.state", state.len(), "5 numbers"));
        };
        if !finite || best_step < 0.0 || latest < 0.0 {
            let expected = "5 finite numbers, of which the steps are at least 0";
            return Err(PlanError::new("loss_plateau.state", format!("{state:?}"), expected));
        }
        self.tracked = (stage >= 0.0).then_some(Tracked {
            stage: stage as usize,
            smoothed,
            best,
            best_step: best_step as u64,
            latest: latest as u64,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Measurement;

    fn run(policy: &mut LossPlateau, losses: impl Iterator<Item = f64>) -> Option<u64> {
        for (step, loss) in (0..).zip(losses) {
            let now = Observation {
                step: step + 1,
                stage_end: 200,
                measurements: &[Measurement::loss(step, loss, 1)],
                ..Default::default()
            };
            if policy.decide(&now) == Decision::Grow {
                return Some(step + 1);
            }
        }
        None
    }

    #[test]
    fn falling_loss_waits_for_the_end_of_the_stage() {
        let mut policy = LossPlateau::new(10).unwrap();
        assert_eq!(run(&mut policy, (0..).map(|i| 10.0 * 0.98f64.powi(i))), Some(200));
    }

    #[test]
    fn flat_loss_grows_after_patience_and_resumes_in_between() {
        let losses = || (0..50).map(|i| 5.0 - 0.1 * f64::from(i)).chain(std::iter::repeat(0.05));
        let mut whole = LossPlateau::new(10).unwrap();
        let grown = run(&mut whole, losses()).unwrap();
        assert!((60..200).contains(&grown), "{grown}");

        let mut first = LossPlateau::new(10).unwrap();
        assert_eq!(run(&mut first, losses().take(40)), None);
        let mut resumed = LossPlateau::new(10).unwrap();
        resumed.restore(&first.state()).unwrap();
        assert_eq!(resumed, first);
        assert!(resumed.restore(&[1.0]).is_err());
    }

    /// Losses that arrive in blocks, as from a loop that reads them every ten steps, are no plateau.
    #[test]
    fn steps_without_losses_are_no_plateau() {
        let mut policy = LossPlateau::new(10).unwrap();
        for step in 1..200 {
            let losses: Vec<Measurement> = match step % 10 {
                0 => (step - 10..step).map(|s| (s, 10.0 * 0.98f64.powi(s as i32))).collect(),
                _ => Vec::new(),
            }
            .into_iter()
            .map(|(step, loss)| Measurement::loss(step, loss, 1))
            .collect();
            let now =
                Observation { step, stage_end: 200, measurements: &losses, ..Default::default() };
            assert_eq!(policy.decide(&now), Decision::Stay, "step {step}");
        }
        let never = LossPlateau::new(u64::MAX).unwrap().decide(&Observation {
            step: 5,
            stage_end: 200,
            measurements: &[Measurement::loss(4, 1.0, 1)],
            ..Default::default()
        });
        assert_eq!(never, Decision::Stay);
        assert!(
            LossPlateau::new(1).unwrap().restore(&[0.0, 1.0, 1.0, f64::INFINITY, 0.0]).is_err()
        );
    }

    #[test]
    fn losses_that_are_not_finite_are_no_plateau() {
        let mut policy = LossPlateau::new(10).unwrap();
        let losses = std::iter::once(3.0).chain(std::iter::repeat(f64::NAN));
        assert_eq!(run(&mut policy, losses), Some(200));
    }

    #[test]
    fn a_stage_without_losses_is_an_error() {
        let mut policy = LossPlateau::new(10).unwrap();
        let nan = [Measurement::loss(3, f64::NAN, 1)];
        for (step, measurements) in [(4, &nan[..]), (200, &[])] {
            let now = Observation { step, stage_end: 200, measurements, ..Default::default() };
            let expected = if step < 200 { Decision::Stay } else { Decision::Missing(LOSS) };
            assert_eq!(policy.decide(&now), expected);
        }
    }

    /// A log-likelihood to be lowered below zero falls and flattens as any other loss.
    #[test]
    fn negative_losses_have_plateaus() {
        let mut falling = LossPlateau::new(10).unwrap();
        assert_eq!(run(&mut falling, (0..).map(|i| -1.0 - 0.1 * f64::from(i))), Some(200));
        let mut flat = LossPlateau::new(10).unwrap().with_smoothing(0.0).unwrap();
        assert_eq!(run(&mut flat, std::iter::repeat(-1.0)), Some(11));
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        assert!(LossPlateau::new(0).is_err());
        assert!(LossPlateau::new(1).unwrap().with_threshold(f64::NAN).is_err());
        assert!(LossPlateau::new(1).unwrap().with_smoothing(1.0).is_err());
        assert!(serde_json::from_str::<LossPlateau>(r#"{"patience":0}"#).is_err());
        let plateau = LossPlateau::new(7).unwrap().with_threshold(0.25).unwrap();
        let text = serde_json::to_string(&plateau).unwrap();
        assert_eq!(serde_json::from_str::<LossPlateau>(&text).unwrap(), plateau);
    }
}
