//! Finds out what growth saves: recipes against training from scratch on a GPT or a BERT, each with its own best learning
//! rate, at several lengths and seeds.
//!
//! ```text
//! cargo run -p compare
//! cargo run -p compare -- --plan
//! cargo run -p compare -- --task bert --optimizers adamw,muon --out runs/compare-bert
//! ```

mod options;

use std::process::ExitCode;

use apollo_examples::options::text::TextConfig;
use apollo_examples::text::corpus::Corpus;
use apollo_examples::text::generate::Sampling;
use apollo_examples::text::next_token::NextToken;
use apollo_examples::{Failure, device, start, usage};
use bert::MaskedTokens;
use burn_apollo::cost::PlanCost;
use burn_apollo::recipe::Recipe;
use burn_apollo_lab::study::{Outcome, Study};
use burn_apollo_lab::{LabError, Result, RunConfig, Task};
use options::{Kind, Options};

fn main() -> ExitCode {
    start(&options::DEFAULTS, run)
}

fn run(options: Options) -> std::result::Result<(), Failure> {
    match options.task {
        Kind::Gpt => compare(&options, |config| {
            let sampling = Sampling { length: 0, temperature: 0.0, seed: 0 };
            Ok(NextToken::new(config, text(&options, &config.task)?, sampling))
        }),
        Kind::Bert => {
            compare(&options, |config| Ok(MaskedTokens::new(config, text(&options, &config.task)?)))
        }
    }
}

fn text(options: &Options, task: &TextConfig) -> Result<Corpus> {
    Ok(Corpus::read(&options.text.data, task.seq)?.with_order(task.order))
}

fn compare<T: Task>(
    options: &Options,
    make: impl Fn(&RunConfig<TextConfig>) -> Result<T>,
) -> std::result::Result<(), Failure> {
    let base = options.base()?;
    if options.plan {
        return plans(options, &make(&base)?, base.batch as u64 * base.task.seq as u64);
    }
    let device = device::by_name(&options.device)?;
    let study = Study::new(&options.out, options.study()?, base, device, make);
    match study.run()? {
        Outcome::Finished(comparison) => {
            print!("{}", comparison.table());
            let (shared, steps) = (comparison.shared_steps, comparison.steps);
            println!(
                "steps: {steps}, of which {shared} ({:.0} %) were done once for trainings that begin alike",
                100.0 * shared as f64 / steps as f64
            );
            println!("written: {}", options.out.join("report.html").display());
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

/// Prints what each recipe would cost, and trains nothing.
fn plans(options: &Options, task: &impl Task, items: u64) -> std::result::Result<(), Failure> {
    use burn_apollo::stack::Growable;
    let model = task.model(&device::by_name(&options.device)?)?;
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
