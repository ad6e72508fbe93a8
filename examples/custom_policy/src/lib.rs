//! Three growth policies of a user's own, each in a file of its own, on a small GPT that learns Shakespeare.
//!
//! ```text
//! cargo run -p custom_policy
//! cargo run -p custom_policy -- --policy try-out --seed 7
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
mod decorrelate;
mod options;
mod plan;
mod results;
mod try_out;

use apollo_examples::options::run::RunOptions;
use apollo_examples::options::text::TextConfig;
use apollo_examples::text::next_token::NextToken;
use apollo_examples::{
    Content, Failure, check_folder, conclude, refuse_run, run_error, train, usage,
};
use burn_apollo::cost::{ModelCost, PlanCost};
use burn_apollo_lab::results::SUMMARY;
use burn_apollo_lab::{End, RunFolder, Signals, Task, Training, folder};

pub use options::{DEFAULTS, Options};
use plan::Policy;
use results::{Entry, Outcome};

/// Trains by every policy that the options ask for, and by the fixed schedule at the same cost, what `task` makes of the
/// next token of their text.
pub fn compare<T: Task>(options: &Options, task: impl Fn(NextToken) -> T) -> Result<(), Failure> {
    make_room::<T>(options)?;
    let mut entries = Vec::new();
    for policy in options.policies() {
        let steps = options.run.steps;
        let run = folder_of(policy, false);
        let Some(found) = train_by(policy, &run, steps, options, &task)? else { return Ok(()) };
        // The paper's plan for as many steps as cost the same layer passes.
        let cost = mean_passes(options)? * f64::from(options.run.accumulate);
        let steps = ((found.layer_passes as f64 / cost).round() as u64).max(4);
        let run = folder_of(policy, true);
        let fixed = train_by(Policy::Fixed, &run, steps, options, &task)?;
        let Some(fixed) = fixed else { return Ok(()) };
        entries.push(Entry { policy: policy.name(), found, fixed });
    }
    results::finish(&options.run.out, &entries)
}

/// Refuses runs that are in the way, or removes them all at once: a run that is interrupted is then resumed among its
/// own.
fn make_room<T: Task>(options: &Options) -> Result<(), Failure> {
    let RunOptions { out, .. } = &options.run;
    check_folder("--out", out, Content::Study, options.run.existing())?;
    let policies = options.policies().into_iter();
    let folders = policies.flat_map(|p| [folder_of(p, false), folder_of(p, true)]);
    for path in folders.map(|folder| out.join(folder)) {
        refuse_run(&path, options.run.existing())?;
        if options.run.overwrite {
            RunFolder::remove(&path, options.run.retention(), T::FILES)?;
        }
    }
    match options.run.overwrite {
        true => folder::remove_file(&out.join(SUMMARY)).map_err(run_error),
        false => Ok(()),
    }
}

/// The folder of a policy's run, or of the run by the fixed schedule that it is compared with.
fn folder_of(policy: Policy, fixed: bool) -> String {
    let name = policy.name();
    if fixed { format!("{name}-fixed") } else { name.to_owned() }
}

/// Trains a model by a policy, or goes on with it; nothing comes of a run that `--stop-after` stops.
fn train_by<T: Task>(
    policy: Policy,
    folder: &str,
    steps: u64,
    options: &Options,
    task: impl Fn(NextToken) -> T,
) -> Result<Option<Outcome>, Failure> {
    if let Some(signal) = Signals::catch()?.caught() {
        return Err(Failure::Signal(signal, "between two runs; --resume goes on".to_owned()));
    }
    println!("{folder}, {steps} steps");
    let run = RunOptions { out: options.run.out.join(folder), steps, ..options.run.clone() };
    let plan = policy.plan(run.plan()?, options.text.layers as usize)?;
    let (config, text) = options.text.config(&run, plan)?;
    let task = task(NextToken::new(&config, text, options.sampling()));
    let training = Training::new(task, config).same_run(TextConfig::same_run).step(policy.step());
    match train(training, &run)? {
        End::Finished => Outcome::read(&run.out, steps).map(Some),
        end => conclude(end).map(|()| None),
    }
}

/// Layer passes of a step of the fixed schedule, on average.
fn mean_passes(options: &Options) -> Result<f64, Failure> {
    const STEPS: u64 = 1000;
    let run = RunOptions { steps: STEPS, ..options.run.clone() };
    let layers = options.text.layers as usize;
    let (plan, one_pass) =
        (Policy::Fixed.plan(run.plan()?, layers)?, ModelCost::of_layer(1.0, 0.0));
    let cost = PlanCost::of(&plan, &[layers], &one_pass, 1).map_err(usage)?;
    Ok(cost.operations / one_pass.training(&[1]) / STEPS as f64)
}
