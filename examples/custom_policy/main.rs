//! Three growth policies of a user's own, each in a file of its own, on a small GPT that learns Shakespeare.
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
mod plan;
mod results;
mod try_out;

use std::process::ExitCode;

use common::text::next_token::NextToken;
use common::text::options::TextConfig;
use common::training::plan::Plan;
use common::training::results::{RESULTS, SUMMARY};
use common::training::run_dir;
use common::training::run_options::RunOptions;
use common::training::signal::Signals;
use common::training::train::{self, End};
use common::{Failure, run_error};
use options::Options;
use plan::{Policy, PolicyPlan};
use results::{Entry, Outcome};

fn main() -> ExitCode {
    let defaults = [
        ("out", "runs/custom_policy"),
        ("layers", "8"),
        ("width", "64"),
        ("heads", "2"),
        ("seq", "32"),
        ("batch", "16"),
        ("steps", "400"),
        ("lr", "0.003"),
    ];
    common::start(&defaults, run)
}

fn run(options: Options) -> Result<(), Failure> {
    make_room(&options)?;
    let mut entries = Vec::new();
    for policy in options.policies() {
        let steps = options.run.steps;
        let Some(found) = train(&options, policy, &folder(policy, false), steps)? else {
            return Ok(());
        };
        // The paper's plan for as many steps as cost the same layer passes.
        let cost = mean_passes(options.text.layers as usize)? * f64::from(options.run.accumulate);
        let steps = ((found.layer_passes as f64 / cost).round() as u64).max(4);
        let fixed = folder(policy, true);
        let Some(fixed) = train(&options, Policy::Fixed, &fixed, steps)? else {
            return Ok(());
        };
        entries.push(Entry { policy: policy.name(), found, fixed });
    }
    results::finish(&options.run.out, &entries)
}

/// Refuses runs that are in the way, or removes them all at once: a run that is interrupted is then resumed among its
/// own.
fn make_room(options: &Options) -> Result<(), Failure> {
    let RunOptions { out, .. } = &options.run;
    let folders = options.policies().into_iter().flat_map(|p| [folder(p, false), folder(p, true)]);
    for path in folders.map(|folder| out.join(folder)) {
        run_dir::refuse_run(&path, options.run.existing())?;
        if options.run.overwrite {
            run_dir::remove_run(&path, options.run.retention(), &RESULTS)?;
        }
    }
    match options.run.overwrite {
        true => run_dir::remove_file(&out.join(SUMMARY)).map_err(run_error),
        false => Ok(()),
    }
}

/// The folder of a policy's run, or of the run by the fixed schedule that it is compared with.
fn folder(policy: Policy, fixed: bool) -> String {
    let name = policy.name();
    if fixed { format!("{name}-fixed") } else { name.to_owned() }
}

/// Trains a model by a policy, or goes on with it; nothing comes of a run that `--stop-after` stops.
fn train(
    options: &Options,
    policy: Policy,
    folder: &str,
    steps: u64,
) -> Result<Option<Outcome>, Failure> {
    if let Some(signal) = Signals::catch().map_err(run_error)?.caught() {
        return Err(Failure::Signal(signal, "between two runs; --resume goes on".to_owned()));
    }
    println!("{folder}, {steps} steps");
    let run = RunOptions { out: options.run.out.join(folder), steps, ..options.run.clone() };
    let plan = PolicyPlan { policy, layers: options.text.layers as usize };
    let (config, text) = options.text.config(&run, plan)?;
    let task = NextToken::new(&config, text, options.sampling());
    let same = config.clone();
    let same_run = |other: &_| TextConfig::same_run(&same, other);
    match train::run_with(task, &run, config, same_run, policy.step())? {
        End::Stopped => Ok(None),
        End::Finished => Outcome::read(&run.out, steps).map(Some),
    }
}

/// Layer passes of a step of the fixed schedule, on average.
fn mean_passes(layers: usize) -> Result<f64, Failure> {
    const STEPS: u64 = 1000;
    let plan = PolicyPlan { policy: Policy::Fixed, layers };
    let mut begin = 0;
    let passes = plan.expected_depths(STEPS, &[layers])?.into_iter().map(|(end, depth)| {
        let steps = end - std::mem::replace(&mut begin, end);
        steps as f64 * depth
    });
    Ok(passes.sum::<f64>() / STEPS as f64)
}
