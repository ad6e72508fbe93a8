//! Options that the examples share: the plan of a run.

use std::path::{Path, PathBuf};

use burn_apollo::ApolloConfig;
use burn_apollo::depth::{
    ConstantHigh, ConstantLow, DepthSampler, DrawPer, Lvps, Sigmoid, Uniform,
};
use burn_apollo::expand::{Interpolation, Stacking};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::schedule::{LossFeed, LossPlateau, Schedule};
use burn_apollo_lab::{self as lab, LabError, Plan};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::{Failure, usage};

/// How a run grows.
#[derive(Args, Debug, Clone)]
pub struct PlanOptions {
    /// When to grow: at the schedule's ends, or at a plateau of the training loss and there at the latest
    #[arg(long, value_enum, default_value_t)]
    pub policy: Policy,
    /// Distribution of the virtual depth
    #[arg(long, value_enum, default_value_t)]
    pub sampler: Sampler,
    /// How often a virtual depth is drawn
    #[arg(long, value_enum, default_value_t)]
    pub draw_per: Draws,
    /// Which layer each virtual or new layer comes from
    #[arg(long, value_enum, default_value_t)]
    pub expander: Expander,
    /// What the optimizer state of copied layers becomes [default: the library's]
    #[arg(long, value_enum)]
    pub moments: Option<Moments>,
    /// Stages from a TOML or JSON file instead of the paper's 1/12, 1/4, 1/2 and all layers
    #[arg(long, value_name = "FILE", conflicts_with = "from_scratch")]
    pub schedule: Option<PathBuf>,
    /// Train all layers from the first step: the baseline
    #[arg(long)]
    pub from_scratch: bool,
}

#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    #[default]
    Fixed,
    Plateau,
}

#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    #[default]
    Lvps,
    Uniform,
    Sigmoid,
    ConstantHigh,
    ConstantLow,
}

#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Draws {
    #[default]
    Step,
    MicroBatch,
}

impl From<Draws> for DrawPer {
    fn from(draws: Draws) -> Self {
        match draws {
            Draws::Step => Self::OptimizerStep,
            Draws::MicroBatch => Self::MicroBatch,
        }
    }
}

#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expander {
    #[default]
    Interpolation,
    Stacking,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moments {
    Reset,
    FreshCopies,
    Copy,
    Scaled,
}

impl From<Moments> for MomentPolicy {
    fn from(moments: Moments) -> Self {
        match moments {
            Moments::Reset => Self::Reset,
            Moments::FreshCopies => Self::FreshCopies,
            Moments::Copy => Self::Copy,
            Moments::Scaled => Self::Scaled,
        }
    }
}

/// What a run's plan was made of; equal plans of equal models and data give equal runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanConfig {
    pub policy: Policy,
    pub sampler: Sampler,
    #[serde(default)]
    pub draw_per: Draws,
    pub expander: Expander,
    pub moments: MomentPolicy,
    pub schedule: Schedule,
}

impl PlanOptions {
    /// The plan for a model whose stacks have these target depths.
    pub fn config(&self, targets: &[usize]) -> Result<PlanConfig, Failure> {
        let schedule = match &self.schedule {
            Some(file) => read_schedule(file)?,
            None if self.from_scratch => Schedule::from_scratch(targets),
            None => Schedule::paper(targets),
        };
        Ok(PlanConfig {
            policy: self.policy,
            sampler: self.sampler,
            draw_per: self.draw_per,
            expander: self.expander,
            moments: self.moments.map_or_else(MomentPolicy::default, Into::into),
            schedule,
        })
    }
}

impl Plan for PlanConfig {
    fn schedule(&self, _steps: u64) -> Schedule {
        self.schedule.clone()
    }

    fn sampler(&self) -> Box<dyn DepthSampler> {
        self.sampler.build()
    }

    fn apollo(&self, steps: u64, seed: u64, losses: LossFeed) -> lab::Result<ApolloConfig> {
        let config = ApolloConfig::new(steps)
            .with_schedule(self.schedule.clone())
            .with_sampler(self.sampler.build())
            .with_draw_per(self.draw_per.into())
            .with_moments(self.moments)
            .with_losses(losses)
            .with_seed(seed);
        let config = match self.expander {
            Expander::Interpolation => config.with_expander(Interpolation),
            Expander::Stacking => config.with_expander(Stacking),
        };
        Ok(match self.policy {
            Policy::Fixed => config,
            Policy::Plateau => {
                // A plateau is two percent of the run without a fall, and at least ten steps.
                let patience = LossPlateau::new((steps / 50).max(10)).map_err(LabError::usage)?;
                config.with_policy(patience)
            }
        })
    }
}

impl Sampler {
    pub fn build(self) -> Box<dyn DepthSampler> {
        match self {
            Self::Lvps => Box::new(Lvps::default()),
            Self::Uniform => Box::new(Uniform),
            Self::Sigmoid => Box::new(Sigmoid),
            Self::ConstantHigh => Box::new(ConstantHigh),
            Self::ConstantLow => Box::new(ConstantLow),
        }
    }
}

fn read_schedule(file: &Path) -> Result<Schedule, Failure> {
    let error = |e: &dyn std::fmt::Display| {
        let message = e.to_string();
        let line = message.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
        usage(format!("--schedule {}: {line}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|e| error(&e))?;
    match file.extension().is_some_and(|e| e == "json") {
        true => serde_json::from_str(&text).map_err(|e| error(&e)),
        false => toml::from_str(&text).map_err(|e| error(&e)),
    }
}

/// A probability of dropout.
pub fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(p) if (0.0..1.0).contains(&p) => Ok(p),
        _ => Err("must be a number from 0 to below 1".to_owned()),
    }
}
