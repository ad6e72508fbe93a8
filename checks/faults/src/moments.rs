use burn_apollo::GrowthReport;
use burn_apollo_lab::Observer;

use crate::fault::pause;

/// Pauses after a growth, if it is asked to.
pub struct Pauses;

impl Observer for Pauses {
    fn growth(&self, _report: &GrowthReport) {
        pause("growth");
    }
}
