//! The policies as plans of the lab's training loop.

use apollo_examples::options::text::TextConfig;
use burn_apollo::ApolloConfig;
use burn_apollo::depth::{ConstantHigh, DepthSampler, Lvps};
use burn_apollo::schedule::{LossFeed, Schedule};
use burn_apollo_lab::{LabError, Plan, Result, Step, Task};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::arithmetic::{self, Doubling};
use crate::decorrelate::{self, Decorrelate};
use crate::try_out::{self, ByHand};

/// A run of this example.
pub type Run<T> = burn_apollo_lab::Run<T, TextConfig, PolicyPlan>;

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    Decorrelate,
    TryOut,
    Arithmetic,
    /// The paper's plan, to compare with.
    #[value(skip)]
    Fixed,
}

impl Policy {
    pub fn name(self) -> &'static str {
        match self {
            Self::Decorrelate => "decorrelate",
            Self::TryOut => "try-out",
            Self::Arithmetic => "arithmetic",
            Self::Fixed => "fixed",
        }
    }

    /// What the training loop does in a step.
    pub fn step<T: Task>(self) -> Step<T, TextConfig, PolicyPlan> {
        match self {
            Self::Decorrelate => decorrelate::step,
            Self::TryOut => try_out::step,
            Self::Arithmetic | Self::Fixed => Run::step,
        }
    }
}

/// A policy for a model of so many layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyPlan {
    pub policy: Policy,
    pub layers: usize,
}

impl Plan for PolicyPlan {
    fn schedule(&self, steps: u64) -> Schedule {
        match self.policy {
            Policy::Decorrelate => Schedule::one_hop(&[1], &[self.layers], 0.5),
            Policy::Arithmetic => arithmetic::schedule(self.layers, steps),
            Policy::TryOut | Policy::Fixed => Schedule::paper(&[self.layers]),
        }
    }

    fn sampler(&self) -> Box<dyn DepthSampler> {
        match self.policy {
            Policy::Decorrelate => Box::new(ConstantHigh),
            _ => Box::new(Lvps::default()),
        }
    }

    fn apollo(&self, steps: u64, seed: u64, losses: LossFeed) -> Result<ApolloConfig> {
        if self.layers < 2 {
            let message = format!("--layers {}: growth needs at least 2", self.layers);
            return Err(LabError::usage(message));
        }
        let config = ApolloConfig::new(steps)
            .with_schedule(self.schedule(steps))
            .with_sampler(self.sampler())
            .with_losses(losses)
            .with_seed(seed);
        Ok(match self.policy {
            Policy::Decorrelate => config.with_policy(Decorrelate::default()),
            Policy::TryOut => config.with_policy(ByHand),
            Policy::Arithmetic => config.with_policy(Doubling::of(self.layers, steps)),
            Policy::Fixed => config,
        })
    }
}
