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
use common::corpus::Corpus;
use common::{Failure, device};
use options::Options;
use results::{Entry, Folder, Outcome};
use run::{LAYERS, Run, Setting, mean_passes};

/// A policy as this program runs it.
struct Policy {
    name: &'static str,
    /// The plan of a run of so many steps.
    config: fn(u64) -> ApolloConfig,
    /// What the training loop does in a step.
    step: fn(&mut Run) -> Result<(), Failure>,
}

const POLICIES: [Policy; 3] = [
    Policy { name: "decorrelate", config: decorrelate::config, step: decorrelate::step },
    Policy { name: "try-out", config: try_out::config, step: try_out::step },
    Policy { name: "arithmetic", config: arithmetic::config, step: arithmetic::step },
];

fn main() -> ExitCode {
    common::start(&[], |options: Options| {
        let text = Corpus::read(&options.data, run::SEQ)?;
        let device = device::by_name(&options.device)?;
        let setting = Setting { text, device, seed: options.seed, lr: options.lr };
        let folder = Folder::open(&options.out, options.overwrite)?;
        let mut entries = Vec::new();
        for policy in
            POLICIES.iter().filter(|p| options.policy == "all" || options.policy == p.name)
        {
            let Policy { name, config, step } = policy;
            println!("{name}, {} steps", options.steps);
            let found = train(&folder, name, config(options.steps), &setting, *step)?;

            // The paper's plan for as many steps as cost the same layer passes.
            let steps = ((found.passes as f64 / mean_passes()).round() as u64).max(4);
            println!("fixed schedule at the same cost, {steps} steps");
            let config = ApolloConfig::new(steps).with_schedule(Schedule::paper(&[LAYERS]));
            let fixed =
                train(&folder, &format!("{name}-fixed"), config, &setting, |run| run.step())?;
            entries.push(Entry { policy: name, found, fixed });
        }
        folder.finish(&options, &entries, &setting.text.unit())
    })
}

/// Trains a model by `config`, one `step` after the other.
fn train(
    folder: &Folder,
    name: &str,
    config: ApolloConfig,
    setting: &Setting,
    step: fn(&mut Run) -> Result<(), Failure>,
) -> Result<Outcome, Failure> {
    let mut run = Run::new(config, setting)?;
    while !run.done() {
        step(&mut run)?;
        run.report()?;
    }
    let outcome = run.finish(folder, name)?;
    println!("  validation loss {:.4} after {} layer passes\n", outcome.val_loss, outcome.passes);
    Ok(outcome)
}
