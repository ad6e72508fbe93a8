use burn_apollo::apollo::GrowthReport;
use burn_apollo_lab::{Observer, Result};

use crate::fault::pause;

/// Pauses after a growth, if it is asked to.
pub struct Pauses;

impl Observer for Pauses {
    fn growth(&mut self, _report: &GrowthReport) -> Result<()> {
        pause("growth");
        Ok(())
    }
}
