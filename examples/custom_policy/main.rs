//! Three growth policies of a user's own, each in a file of about thirty lines, on a small GPT that learns Shakespeare.
//!
//! ```text
//! cargo run --example custom_policy
//! cargo run --example custom_policy -- --policy try-out --seed 7
//! ```
//!
//! | policy | grows |
//! |---|---|
//! | `decorrelate` | when the gradients of neighbouring uses of the shared layer part (share, then unshare) |
//! | `try-out` | at the schedule's ends, in the way that does best in a short try-out (landscape-aware growing) |
//! | `arithmetic` | to the size that a formula gives for the step |
//!
//! Each is compared with the paper's fixed schedule at the same number of layer passes.

mod arithmetic;
#[path = "../common/mod.rs"]
mod common;
mod decorrelate;
mod options;
mod results;
mod run;
mod try_out;

use std::process::ExitCode;

use burn_apollo::ApolloConfig;
use burn_apollo::schedule::Schedule;
use common::text::Text;
use common::{Failure, device, usage};
use options::{Options, Policy};
use results::{Entry, Folder};
use run::{LAYERS, Run, Setting, mean_passes};

fn main() -> ExitCode {
    common::start(&[], |options: Options| {
        let text = Text::read(&options.data, run::SEQ)?;
        let device = device::by_name(&options.device)?;
        let setting = Setting { text, device, seed: options.seed, lr: options.lr };
        let folder = Folder::open(&options.out, options.overwrite)?;
        let mut entries = Vec::new();
        for policy in options.policies() {
            println!("{}, {} steps", policy.name(), options.steps);
            let config = policy.config(options.steps);
            let found = train(&folder, policy.name(), config, &setting, |run| policy.step(run))?;

            // The paper's plan for as many steps as cost the same layer passes.
            let steps = ((found.passes as f64 / mean_passes()).round() as u64).max(4);
            println!("fixed schedule at the same cost, {steps} steps");
            let config = ApolloConfig::new(steps).with_schedule(Schedule::paper(&[LAYERS]));
            let fixed = train(&folder, policy.fixed_name(), config, &setting, Run::step)?;
            entries.push(Entry { policy: policy.name(), found, fixed });
        }
        folder.finish(&options, &entries)
    })
}

/// Trains a model by `config`, one `step` after the other.
fn train<'a>(
    folder: &Folder,
    name: &str,
    config: ApolloConfig,
    setting: &'a Setting,
    step: impl Fn(&mut Run<'a>) -> Result<(), Failure>,
) -> Result<results::Outcome, Failure> {
    let mut run = Run::new(config, setting).map_err(|e| usage(format!("--steps: {e}")))?;
    while !run.done() {
        step(&mut run)?;
        run.report()?;
    }
    let outcome = run.finish(folder, name)?;
    println!("  loss {:.4} after {} layer passes\n", outcome.val_loss, outcome.passes);
    Ok(outcome)
}

impl Policy {
    fn config(self, steps: u64) -> ApolloConfig {
        match self {
            Policy::Decorrelate => decorrelate::config(steps),
            Policy::TryOut => try_out::config(steps),
            _ => arithmetic::config(steps),
        }
    }

    /// What the training loop does in a step.
    fn step(self, run: &mut Run) -> Result<(), Failure> {
        match self {
            Policy::Decorrelate => decorrelate::step(run),
            Policy::TryOut => try_out::step(run),
            _ => run.step(),
        }
    }
}
