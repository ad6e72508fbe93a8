//! The policies as plans of the lab's training loop.

use apollo_examples::options::text::TextConfig;
use apollo_examples::{Failure, usage};
use burn_apollo::Plan;
use burn_apollo::depth::ConstantHigh;
use burn_apollo::policy::GrowthPolicyConfig as PlanPolicy;
use burn_apollo::schedule::Schedule;
use burn_apollo_lab::{Step, Task};
use clap::ValueEnum;

use crate::arithmetic::{self, Doubling};
use crate::decorrelate::{self, Decorrelate};
use crate::try_out::{self, ByHand};

/// A run of this example.
pub type Run<T> = burn_apollo_lab::Run<T, TextConfig>;

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
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
    pub fn step<T: Task>(self) -> Step<T, TextConfig> {
        match self {
            Self::Decorrelate => decorrelate::step,
            Self::TryOut => try_out::step,
            Self::Arithmetic | Self::Fixed => |run| run.step().map(drop),
        }
    }

    /// The plan of a model of so many layers; `plan` has the steps, the seed and what the learning rate does.
    pub fn plan(self, plan: Plan, layers: usize) -> Result<Plan, Failure> {
        if layers < 2 {
            return Err(usage(format!("--layers {layers}: growth needs at least 2")));
        }
        let (paper, steps) = (Schedule::paper(&[layers]), plan.steps);
        Ok(match self {
            Self::Decorrelate => plan
                .with_schedule(Schedule::one_hop(&[1], &[layers], 0.5))
                .with_sampler(ConstantHigh)
                .with_policy(own("decorrelate", Decorrelate::default())?),
            Self::TryOut => plan.with_schedule(paper).with_policy(own("by_hand", ByHand)?),
            Self::Arithmetic => plan
                .with_schedule(arithmetic::schedule(layers, steps))
                .with_policy(own("doubling", Doubling::of(layers, steps))?),
            Self::Fixed => plan.with_schedule(paper),
        })
    }
}

/// A policy of this example, by name.
fn own(
    name: &str,
    policy: impl burn_apollo::policy::GrowthPolicy + Clone + serde::Serialize + 'static,
) -> Result<PlanPolicy, Failure> {
    PlanPolicy::custom(name, policy).map_err(usage)
}
