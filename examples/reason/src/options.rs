use apollo_examples::models::transformer::{OUTPUT_PROJECTIONS, Shape};
use apollo_examples::options::plan::PlanOptions;
use apollo_examples::options::run::RunOptions;
use apollo_examples::{Failure, usage};
use burn_apollo_lab::RunConfig;
use clap::{Args, Parser, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::group::Group;
use crate::model::DecoderConfig;
use crate::problem::Problem;

/// What options are that are not given.
pub const DEFAULTS: [(&str, &str); 6] = [
    ("out", "runs/reason"),
    ("steps", "2400"),
    ("batch", "32"),
    ("lr", "0.002"),
    ("clip", "1"),
    ("beta2", "0.98"),
];

/// Decay of AdamW's mean of squared gradients in studies of these problems; that of [`DEFAULTS`].
pub const BETA2: f64 = 0.98;

/// The configuration of a run.
pub type Config = RunConfig<ReasonConfig>;

/// Trains a decoder by progressive depth on problems that need depth, then shows how far into them it is right.
#[derive(Parser, Debug)]
#[command(name = "reason", version, args_override_self = true)]
pub struct Options {
    #[command(flatten)]
    pub problem: ProblemOptions,
    /// Layers of the full model
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub layers: u32,
    /// Width of the residual stream
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub width: u32,
    /// Attention heads; the width divided by them must be even
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub heads: u32,
    #[command(flatten)]
    pub run: RunOptions,
    #[command(flatten)]
    pub plan: PlanOptions,
    /// Answer this with the finished run in the output folder, and train nothing: elements of a group such as "1 4 2", an
    /// expression such as "+ * 2 3 4", jumps and letters such as "2: abcab"
    #[arg(long, value_name = "TEXT")]
    pub solve: Option<String>,
}

/// A problem, and how the model sees it.
#[derive(Args, Debug, Clone)]
pub struct ProblemOptions {
    /// What is to be learned
    #[arg(long, value_enum, default_value_t)]
    pub problem: Kind,
    /// Group of the words
    #[arg(long, value_enum, default_value_t)]
    pub group: Group,
    /// Letters of a word, most operations of an expression, most jumps; if not given, 16, 3 and 6
    #[arg(long)]
    pub length: Option<usize>,
    /// Let the attention of every layer see the embedding too
    #[arg(long)]
    pub inject: bool,
}

/// A kind of problem.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// The product of every prefix of a word of a group
    #[default]
    Group,
    /// The value of an expression in prefix notation, modulo 23
    Mano,
    /// The letter that so many jumps lead to, each behind the last place with the same letter
    Hop,
}

/// The problem and the model of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReasonConfig {
    pub problem: Problem,
    pub length: usize,
    pub inject: bool,
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
}

impl ReasonConfig {
    pub fn model(&self) -> DecoderConfig {
        let Self { problem, length, inject, layers, width, heads } = *self;
        let shape = Shape { width, heads, branches: 2 * layers, dropout: 0.0 };
        let (vocabulary, values) = (problem.vocabulary(length), problem.values());
        DecoderConfig { layers, vocabulary, values, inject, shape }
    }
}

impl ProblemOptions {
    /// The problem for a model of this size.
    ///
    /// # Errors
    ///
    /// Heads that do not divide the width into even parts, a length that the problem does not have.
    pub fn config(&self, layers: u32, width: u32, heads: u32) -> Result<ReasonConfig, Failure> {
        Shape::check(width, heads)?;
        let size = width / heads;
        if !size.is_multiple_of(2) {
            return Err(usage(format!(
                "--heads {heads}: each would have {size} of --width {width}, and rotary positions need an even number"
            )));
        }
        let problem = match self.problem {
            Kind::Group => Problem::Group(self.group),
            Kind::Mano => Problem::Mano,
            Kind::Hop => Problem::Hop,
        };
        let length = self.length.unwrap_or(problem.usual_length());
        let (least, most) = problem.lengths();
        if !(least..=most).contains(&length) {
            let unit = problem.unit();
            return Err(usage(format!("--length {length}: must be from {least} to {most} {unit}")));
        }
        Ok(ReasonConfig {
            problem,
            length,
            inject: self.inject,
            layers: layers as usize,
            width: width as usize,
            heads: heads as usize,
        })
    }
}

impl Options {
    pub fn config(&self) -> Result<Config, Failure> {
        let task = self.problem.config(self.layers, self.width, self.heads)?;
        let plan = self.plan.plan(&self.run, &[task.layers], &OUTPUT_PROJECTIONS)?;
        Ok(self.run.config(task, plan))
    }
}
