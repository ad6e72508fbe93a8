//! Finds out what growth saves: recipes against training from scratch on a GPT, a BERT, a vision transformer or a decoder that reasons, each with its own best learning
//! rate, at several lengths and seeds.
//!
//! ```text
//! cargo run -p compare
//! cargo run -p compare -- --plan --budget 1e13
//! cargo run -p compare -- --report runs/compare
//! cargo run -p compare -- --task vision
//! cargo run -p compare -- --task reason --group s3
//! cargo run -p compare -- --task bert --optimizers adamw,muon --out runs/compare-bert
//! ```

mod options;
mod plan;

use std::path::Path;
use std::process::ExitCode;

use apollo_examples::options::text::TextConfig;
use apollo_examples::text::corpus::Corpus;
use apollo_examples::text::generate::Sampling;
use apollo_examples::text::next_token::NextToken;
use apollo_examples::{Content, Failure, check_folder, device, start_with};
use bert::MaskedTokens;
use burn_apollo_lab::study::{Comparison, Outcome, Study};
use burn_apollo_lab::{End, Existing, LabError, Result, RunConfig, StudyProgress, Task};
use options::{Kind, Options};
use reason::Reasoning;
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
        Kind::Gpt => compare(
            &options,
            options.text()?,
            |config| {
                let sampling = Sampling { length: 0, temperature: 0.0, seed: 0 };
                Ok(NextToken::new(config, text(&options, &config.task)?, sampling))
            },
            |task, layers| task.layers = layers,
        ),
        Kind::Bert => compare(
            &options,
            options.text()?,
            |config| Ok(MaskedTokens::new(config, text(&options, &config.task)?)),
            |task, layers| task.layers = layers,
        ),
        Kind::Vision => compare(
            &options,
            options.images()?,
            |config| Ok(Digits::new(config, Images::read(&options.text.data)?)),
            |task, layers| task.layers = layers,
        ),
        Kind::Reason => compare(
            &options,
            options.problem()?,
            |config| Ok(Reasoning::new(config)),
            |task, layers| task.layers = layers,
        ),
    }
}

fn text(options: &Options, task: &TextConfig) -> Result<Corpus> {
    Ok(Corpus::read(&options.text.data, task.seq)?.with_order(task.order))
}

fn compare<T: Task, C>(
    options: &Options,
    base: RunConfig<C>,
    make: impl Fn(&RunConfig<C>) -> Result<T>,
    set_depth: fn(&mut C, usize),
) -> std::result::Result<(), Failure>
where
    C: Clone + PartialEq + Serialize + DeserializeOwned,
{
    let config = options.study()?;
    check_folder("--out", &options.out, Content::Study, Existing::Resume)?;
    let device = device::by_name(&options.device)?;
    let study =
        Study::new(&options.out, config.clone(), base, device.clone(), make).with_depths(set_depth);
    let study = study.observer(StudyProgress::default());
    if options.plan {
        let measured = study.so_far()?;
        return plan::show(options, &config, measured.as_ref(), |depth| study.task(depth), &device);
    }
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
            End::Finished => Ok(()),
            _ => Err(LabError::failed("the cell was stopped").into()),
        },
    }
}

fn show(comparison: &Comparison, folder: &Path) {
    print!("{}", comparison.table());
    comparison.advice().iter().for_each(|said| println!("{said}"));
    println!("written: {}", folder.join("report.html").display());
}
