use burn_apollo::ApolloConfig;
use burn_apollo::depth::DepthSampler;
use burn_apollo::schedule::{LossFeed, Schedule};
use burn_apollo_lab::{Plan, Result};
use serde::{Deserialize, Serialize};

use crate::fault::pause;

/// A plan that pauses within a growth, if it is asked to. As data it is the plan itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultyPlan<P>(pub P);

impl<P: Plan> Plan for FaultyPlan<P> {
    fn schedule(&self, steps: u64) -> Schedule {
        self.0.schedule(steps)
    }

    fn sampler(&self) -> Box<dyn DepthSampler> {
        self.0.sampler()
    }

    fn apollo(&self, steps: u64, seed: u64, losses: LossFeed) -> Result<ApolloConfig> {
        Ok(self.0.apollo(steps, seed, losses)?.on_growth(|_| pause("growth")))
    }
}
