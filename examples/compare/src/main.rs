//! Finds out what growth saves: recipes against training from scratch on a GPT, a BERT or a vision transformer, each with its own best learning
//! rate, at several lengths and seeds.
//!
//! ```text
//! cargo run -p compare
//! cargo run -p compare -- --plan
//! cargo run -p compare -- --report runs/compare
//! cargo run -p compare -- --task vision
//! cargo run -p compare -- --task bert --optimizers adamw,muon --out runs/compare-bert
//! ```

mod options;

use std::path::Path;
use std::process::ExitCode;

use apollo_examples::options::text::TextConfig;
use apollo_examples::text::corpus::Corpus;
use apollo_examples::text::generate::Sampling;
use apollo_examples::text::next_token::NextToken;
use apollo_examples::{Failure, device, start_with, usage};
use bert::MaskedTokens;
use burn_apollo::cost::PlanCost;
use burn_apollo::recipe::Recipe;
use burn_apollo_lab::study::{Comparison, Outcome, Study};
use burn_apollo_lab::{LabError, Result, RunConfig, Task};
use options::{Kind, Options};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vision::{Digits, Images};

fn main() -> ExitCode {
    start_with(&options::DEFAULTS, options::derived, run)
}

fn run(options: Options) -> std::result::Result<(), Failure> {
    if let Some(folder) = &options.report {
        let comparison = Comparison::from_folder(folder)?;
        comparison.write_report(folder)?;
        show(&comparison, folder);
        return Ok(());
    }
    match options.task {
        Kind::Gpt => compare(&options, options.text()?, |config| {
            let sampling = Sampling { length: 0, temperature: 0.0, seed: 0 };
            Ok(NextToken::new(config, text(&options, &config.task)?, sampling))
        }),
        Kind::Bert => compare(&options, options.text()?, |config| {
            Ok(MaskedTokens::new(config, text(&options, &config.task)?))
        }),
        Kind::Vision => compare(&options, options.images()?, |config| {
            Ok(Digits::new(config, Images::read(&options.text.data)?))
        }),
    }
}

fn text(options: &Options, task: &TextConfig) -> Result<Corpus> {
    Ok(Corpus::read(&options.text.data, task.seq)?.with_order(task.order))
}

fn compare<T: Task, C>(
    options: &Options,
    base: RunConfig<C>,
    make: impl Fn(&RunConfig<C>) -> Result<T>,
) -> std::result::Result<(), Failure>
where
    C: Clone + PartialEq + Serialize + DeserializeOwned,
{
    if options.plan {
        return plans(options, &make(&base)?);
    }
    let device = device::by_name(&options.device)?;
    let study = Study::new(&options.out, options.study()?, base, device, make);
    match study.run()? {
        Outcome::Finished(comparison) => {
            show(&comparison, &options.out);
            match comparison.failed.len() {
                0 => Ok(()),
                failed => Err(Failure::Run(format!(
                    "{failed} cells failed; the same command tries them again"
                ))),
            }
        }
        Outcome::Signal(signal) => {
            Err(Failure::Signal(signal, "between cells; the same command goes on".to_owned()))
        }
        Outcome::Cell(end) => match end {
            burn_apollo_lab::End::Finished => Ok(()),
            _ => Err(LabError::failed("the cell was stopped").into()),
        },
    }
}

fn show(comparison: &Comparison, folder: &Path) {
    print!("{}", comparison.table());
    let (shared, steps) = (comparison.shared_steps, comparison.steps);
    println!(
        "steps: {steps}, of which {shared} ({:.0} %) were done once for trainings that begin alike",
        100.0 * shared as f64 / steps.max(1) as f64
    );
    println!("written: {}", folder.join("report.html").display());
}

/// Prints what each recipe would cost, and trains nothing.
fn plans(options: &Options, task: &impl Task) -> std::result::Result<(), Failure> {
    use burn_apollo::stack::Growable;
    let device = device::by_name(&options.device)?;
    let model = task.model(&device)?;
    let items = task.items(&task.batch(0, &device)?);
    let targets: Vec<usize> = model.stacks().iter().map(|stack| stack.target_depth()).collect();
    let cost = task.cost(&model);
    let study = options.study()?;
    for name in &study.recipes {
        let recipe = Recipe::by_name(name).map_err(usage)?;
        let plan = recipe.plan(&study.setting(study.steps, &targets)).map_err(usage)?;
        let cost = PlanCost::of(&plan, &targets, &cost, items).map_err(usage)?;
        println!("{name}: {} ({})\n{cost}\n", recipe.summary(), recipe.source());
    }
    Ok(())
}
