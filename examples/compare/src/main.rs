//! Finds out what growth saves: recipes against training from scratch on a GPT or a BERT, each with its own best learning
//! rate, at several lengths and seeds.
//!
//! ```text
//! cargo run -p compare
//! cargo run -p compare -- --plan --budget 1e13
//! cargo run -p compare -- --task bert --optimizers adamw,muon --out runs/compare-bert
//! ```

mod options;
mod plan;

use std::process::ExitCode;

use apollo_examples::options::text::TextConfig;
use apollo_examples::text::corpus::Corpus;
use apollo_examples::text::generate::Sampling;
use apollo_examples::text::next_token::NextToken;
use apollo_examples::{Failure, device, start_with};
use bert::MaskedTokens;
use burn_apollo_lab::study::{Outcome, Study};
use burn_apollo_lab::{LabError, Result, RunConfig, Task};
use options::{Kind, Options};

fn main() -> ExitCode {
    start_with(&options::DEFAULTS, options::derived, run)
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
    let (base, config) = (options.base()?, options.study()?);
    let device = device::by_name(&options.device)?;
    let study = Study::new(&options.out, config.clone(), base.clone(), device.clone(), &make);
    if options.plan {
        let items = base.batch as u64 * base.task.seq as u64;
        let measured = study.so_far()?;
        return plan::show(options, &config, measured.as_ref(), &make(&base)?, (items, &device));
    }
    match study.run()? {
        Outcome::Finished(comparison) => {
            print!("{}", comparison.table());
            comparison.advice().iter().for_each(|said| println!("{said}"));
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
