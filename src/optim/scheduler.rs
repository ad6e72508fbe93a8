//! Burn's learning-rate schedulers, of a [`LrShape`].

use burn::optim::lr_scheduler::LrSchedulerConfig;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::lr_scheduler::sequential::SequentialLrSchedulerConfig;

use super::OptimError;
use crate::schedule::{LrShape, steps_of};

impl LrShape {
    /// Burn's scheduler for a run of `steps` optimizer steps whose highest rate is `peak`.
    ///
    /// ```
    /// use burn_apollo::schedule::LrShape;
    ///
    /// let shape = LrShape::WarmupStableDecay { warm_up: 0.2, decay: 0.4, end: 0.0 };
    /// let mut scheduler = shape.scheduler(0.1, 10)?;
    /// let rates: Vec<f64> = (0..10).map(|_| scheduler.step().base()).collect();
    /// assert_eq!(rates[2..6], [0.1; 4]);
    /// assert!(rates[1] < 0.1 && rates[9] < rates[8] && rates[8] < rates[7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OptimError::Schedule`] for a shape that [`check`](Self::check) refuses, [`OptimError::Rate`] for a peak that is
    /// not above 0 and at most 1, as Burn's schedulers want it.
    pub fn scheduler(&self, peak: f64, steps: u64) -> Result<ModuleLrScheduler, OptimError> {
        self.check()?;
        if !(peak > 0.0 && peak <= 1.0) {
            return Err(OptimError::Rate { found: peak });
        }
        let (parts, ends) = match *self {
            Self::Constant => return Ok(ConstantLr::new(peak).into()),
            Self::Cosine { warm_up, end } => {
                let first = at_least_one(warm_up, steps);
                let rest = at_least(1, steps.saturating_sub(first as u64));
                let cosine = CosineAnnealingLrSchedulerConfig::new(peak, rest);
                (vec![rise(peak, first), cosine.with_min_lr(peak * end).into()], vec![first])
            }
            Self::WarmupStableDecay { warm_up, decay, end } => {
                let first = at_least_one(warm_up, steps);
                let last = steps_of(decay, steps).min(steps.saturating_sub(first as u64));
                let stable = steps.saturating_sub(first as u64 + last) as usize;
                let mut parts = vec![rise(peak, first)];
                let mut ends = vec![first];
                if stable > 0 || last == 0 {
                    parts.push(LrSchedulerConfig::Constant(peak));
                }
                if last > 0 {
                    if stable > 0 {
                        ends.push(first + stable);
                    }
                    let fall = LinearLrSchedulerConfig::new(peak, peak * end, last as usize);
                    parts.push(fall.into());
                }
                (parts, ends)
            }
        };
        let sequence = SequentialLrSchedulerConfig::new(parts, ends);
        sequence.init().map_err(|message| OptimError::Scheduler { message })
    }
}

/// From a tenth of the first step's share up to the peak.
fn rise(peak: f64, steps: usize) -> LrSchedulerConfig {
    LinearLrSchedulerConfig::new(peak / steps as f64 / 10.0, peak, steps).into()
}

fn at_least_one(fraction: f64, steps: u64) -> usize {
    at_least(1, steps_of(fraction, steps))
}

fn at_least(least: u64, steps: u64) -> usize {
    usize::try_from(steps.max(least)).unwrap_or(usize::MAX)
}
