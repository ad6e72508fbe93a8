//! The learning rate of a run.

use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::lr_scheduler::sequential::SequentialLrSchedulerConfig;

use crate::error::{LabError, Result};

/// Warm-up over 2.5 % of the steps, then one cosine down to `min_lr` over the rest.
pub fn scheduler(lr: f64, min_lr: f64, steps: u64) -> Result<ModuleLrScheduler> {
    let warm_up = (steps / 40).max(1) as usize;
    let rest = (steps as usize).saturating_sub(warm_up).max(1);
    let cosine = CosineAnnealingLrSchedulerConfig::new(lr, rest).with_min_lr(min_lr);
    let linear = LinearLrSchedulerConfig::new(lr / warm_up as f64 / 10.0, lr, warm_up);
    SequentialLrSchedulerConfig::new(vec![linear.into(), cosine.into()], vec![warm_up])
        .init()
        .map_err(LabError::usage)
}
