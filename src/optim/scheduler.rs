//! Burn's learning-rate schedulers, of a [`LrShape`].

use burn::optim::lr_scheduler::LrSchedulerConfig;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::lr_scheduler::sequential::SequentialLrSchedulerConfig;

use crate::plan::PlanError;
use crate::schedule::{LrShape, PhaseKind};

impl LrShape {
    /// Burn's scheduler for a run of `steps` optimizer steps whose highest rate is `peak`.
    ///
    /// ```
    /// use burn_apollo::schedule::LrShape;
    ///
    /// let shape = LrShape::WarmupStableDecay { warm_up: 0.2.into(), decay: 0.4, end: 0.0 };
    /// let mut scheduler = shape.scheduler(0.1, 10)?;
    /// let rates: Vec<f64> = (0..10).map(|_| scheduler.step().base()).collect();
    /// assert_eq!(rates[2..6], [0.1; 4]);
    /// assert!(rates[1] < 0.1 && rates[9] < rates[8] && rates[8] < rates[7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// For a shape that [`check_for`](Self::check_for) refuses, and a peak that is not above 0 and at most 1, as Burn's
    /// schedulers want it.
    pub fn scheduler(&self, peak: f64, steps: u64) -> Result<ModuleLrScheduler, PlanError> {
        self.check_for(steps)?;
        let in_range = peak > 0.0 && peak <= 1.0;
        PlanError::unless(in_range, "peak", peak, "a learning rate above 0 and at most 1")?;
        if *self == Self::Constant {
            return Ok(ConstantLr::new(peak).into());
        }
        let phases = self.phases(steps);
        let parts = phases.iter().map(|phase| {
            let steps = usize::try_from(phase.steps).unwrap_or(usize::MAX);
            match phase.kind {
                // From a tenth of the first step's share up to the peak.
                PhaseKind::Rise => {
                    LinearLrSchedulerConfig::new(peak / steps as f64 / 10.0, peak, steps).into()
                }
                PhaseKind::Peak => LrSchedulerConfig::Constant(peak),
                PhaseKind::Fall { end } => {
                    LinearLrSchedulerConfig::new(peak, peak * end, steps).into()
                }
                PhaseKind::Cosine { end } => CosineAnnealingLrSchedulerConfig::new(peak, steps)
                    .with_min_lr(peak * end)
                    .into(),
            }
        });
        let parts = parts.collect();
        let ends = phases.iter().scan(0_usize, |end, phase| {
            *end = end.saturating_add(usize::try_from(phase.steps).unwrap_or(usize::MAX));
            Some(*end)
        });
        let ends = ends.take(phases.len() - 1).collect();
        let sequence = SequentialLrSchedulerConfig::new(parts, ends);
        sequence
            .init()
            .map_err(|message| PlanError::new("lr", message, "one that Burn can schedule"))
    }
}
