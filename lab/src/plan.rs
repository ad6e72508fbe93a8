use burn_apollo::ApolloConfig;
use burn_apollo::depth::{DepthSampler, Lvps};
use burn_apollo::schedule::{LossFeed, Schedule};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;

/// How a run grows, as data: equal plans of equal models and data give equal runs.
///
/// The simplest is a [`Schedule`]: the paper's sampler, and the library's defaults for everything else.
pub trait Plan: Clone + PartialEq + Serialize + DeserializeOwned {
    /// The stages of a run of so many optimizer steps.
    fn schedule(&self, steps: u64) -> Schedule;

    /// The distribution of virtual depths.
    fn sampler(&self) -> Box<dyn DepthSampler>;

    /// The library's configuration of a run; its policy hears `losses`.
    ///
    /// # Errors
    ///
    /// A plan that no run can have, as [`LabError::usage`](crate::LabError::usage).
    fn apollo(&self, steps: u64, seed: u64, losses: LossFeed) -> Result<ApolloConfig>;

    /// End and expected depth, over all stacks, of each stage of the schedule, for stacks of these target depths.
    ///
    /// # Errors
    ///
    /// A schedule that does not fit the stacks or the run.
    fn expected_depths(&self, steps: u64, targets: &[usize]) -> Result<Vec<(u64, f64)>> {
        let timeline = self.schedule(steps).timeline(steps, targets)?;
        let sampler = self.sampler();
        let mean = |unique, target| sampler.pmf(unique, target).map_or(0.0, |pmf| pmf.mean());
        let depth = |stage: usize| {
            timeline
                .layers(stage)
                .iter()
                .zip(targets)
                .map(|(unique, target)| mean(*unique, *target))
                .sum()
        };
        Ok((0..timeline.stages()).map(|stage| (timeline.end(stage), depth(stage))).collect())
    }
}

impl Plan for Schedule {
    fn schedule(&self, _steps: u64) -> Schedule {
        self.clone()
    }

    fn sampler(&self) -> Box<dyn DepthSampler> {
        Box::new(Lvps::default())
    }

    fn apollo(&self, steps: u64, seed: u64, losses: LossFeed) -> Result<ApolloConfig> {
        let config = ApolloConfig::new(steps).with_schedule(self.clone()).with_losses(losses);
        Ok(config.with_seed(seed))
    }
}
