//! Options of the examples that learn a text: the text, and the size of the model.

mod config;

use std::path::{Path, PathBuf};

use burn_apollo::Plan;
use burn_apollo_lab::RunConfig;
use burn_apollo_lab::folder::holds_run;
use clap::Args;

pub use config::{InitFrom, Sizes, TextConfig};

use crate::files::data_file;
use crate::hf::{self, ConfigFields};
use crate::models::transformer::Shape;
use crate::options::plan::{PlanOptions, probability};
use crate::options::run::{RunOptions, positive_up_to_one};
use crate::text::corpus::header::MOST_TOKENS;
use crate::text::corpus::prepare::Choice;
use crate::text::corpus::{Corpus, Order, Preparation, PrepareOptions, Vocabulary};
use crate::{Failure, device, refuse_run, run_config, usage};

/// A text and a model for it.
#[derive(Args, Debug, Clone)]
pub struct TextOptions {
    /// Text to learn, or a file of tokens made of one; the last 5 % are kept for validation
    #[arg(long, value_name = "FILE", value_parser = data_file)]
    pub data: PathBuf,
    /// Windows for training: from anywhere, drawn independently, or every one once before any comes again
    #[arg(long, value_enum, default_value_t)]
    pub order: Order,
    /// Layers of the full model
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub layers: u32,
    /// Width of the residual stream
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub width: u32,
    /// Attention heads; must divide the width
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub heads: u32,
    /// Tokens per window
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=65536))]
    pub seq: u32,
    /// Probability of dropout while training
    #[arg(long, default_value_t = 0.0, value_parser = probability)]
    pub dropout: f64,
    /// Standard deviation of the first weights; chosen by the width if not given
    #[arg(long, value_name = "STD", value_parser = positive_up_to_one)]
    pub init_std: Option<f64>,
}

/// What options must know of a program's models.
pub struct Models {
    /// Their name in a run's configuration.
    pub name: &'static str,
    /// Tokens that a vocabulary which is learned must have.
    pub special: &'static [&'static str],
    /// See [`PlanOptions::plan`].
    pub output_projections: &'static [&'static str],
    /// Tokens of a model for a vocabulary.
    pub tokens: fn(&Vocabulary) -> usize,
    /// The sizes of a model in a folder, by its `config.json`.
    pub sizes: fn(&ConfigFields, &Path) -> Result<Sizes, Failure>,
}

/// What a program for texts does beside training.
#[derive(Args, Debug)]
pub struct TextProgram {
    #[command(flatten)]
    pub text: TextOptions,
    #[command(flatten)]
    pub prepare: PrepareOptions,
    /// Tokens of the model, of which the vocabulary may have fewer: the others are never seen
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_TOKENS as i64))]
    pub pad_vocabulary: Option<u32>,
    /// Passes over the training part of the text, in place of --steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub epochs: Option<u32>,
    /// Begin with the model in this folder, in Hugging Face's layout, and take sizes and dropout from it. All of its layers are
    /// trained; with --recipe, --schedule or --plan the first stage keeps the first ones
    #[arg(long, value_name = "DIR")]
    pub init_from: Option<PathBuf>,
    /// Write the finished run in the output folder to this new folder, in Hugging Face's layout, and train nothing
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
}

impl TextOptions {
    /// The configuration of a run that grows by `plan`, and its text.
    pub fn config(
        &self,
        run: &RunOptions,
        plan: Plan,
    ) -> Result<(RunConfig<TextConfig>, Corpus), Failure> {
        let (task, text) = self.task()?;
        Ok((run.config(task, plan), text))
    }

    /// The text and the model, as data, and the text itself.
    pub fn task(&self) -> Result<(TextConfig, Corpus), Failure> {
        Shape::check(self.width, self.heads)?;
        let text = Corpus::read(&self.data, self.seq as usize)?.with_order(self.order);
        let task = TextConfig {
            model: None,
            data: self.data.clone(),
            data_checksum: text.checksum(),
            vocabulary: text.vocabulary().size(),
            tokenizer: text.vocabulary().checksum(),
            order: self.order,
            layers: self.layers as usize,
            width: self.width as usize,
            heads: self.heads as usize,
            seq: self.seq as usize,
            dropout: self.dropout,
            init_std: self.init_std,
            init_from: None,
        };
        Ok((task, text))
    }
}

impl TextProgram {
    /// Writes the tokens that `--prepare` asks for; says whether it does.
    pub fn prepared(&self, run: &RunOptions, models: &Models) -> Result<bool, Failure> {
        let Some(to) = &self.prepare.prepare else { return Ok(false) };
        let choice = self.prepare.vocabulary.as_ref().unwrap_or(&Choice::Bytes);
        self.preparation(choice, models).write_to(to, run.overwrite).map(|()| true)
    }

    fn preparation<'a>(&'a self, choice: &'a Choice, models: &Models) -> Preparation<'a> {
        let (data, allow_unknown) = (self.text.data.as_path(), self.prepare.allow_unknown);
        Preparation { data, choice, special: models.special, allow_unknown }
    }

    /// What training reads: `--data`, or the tokens in the output folder that `--vocabulary` asks for, made if they are
    /// not there.
    fn tokens(&self, run: &RunOptions, models: &Models) -> Result<PathBuf, Failure> {
        let data = &self.text.data;
        let Some(choice) = &self.prepare.vocabulary else { return Ok(data.clone()) };
        let preparation = self.preparation(choice, models);
        if *choice == Choice::Bytes {
            return preparation.check().map(|()| data.clone());
        }
        let to = preparation.file_in(&run.out)?;
        if run.resume && holds_run(&run.out) {
            let before: RunConfig<TextConfig> = run_config(&run.out)?;
            let (before, now) = (before.task.data.file_name(), to.file_name());
            if before != now {
                let [before, now] = [before, now].map(|name| name.unwrap_or_default().display());
                return Err(usage(format!(
                    "--resume: {} holds a run with other options: --data or --vocabulary: {before} there, {now} here",
                    run.out.display()
                )));
            }
        }
        if !Preparation::is_done(&to) {
            preparation.write_to(&to, true)?;
        }
        Ok(to)
    }

    /// The tokens of the model where its vocabulary has so many.
    fn padded(&self, tokens: usize) -> Result<usize, Failure> {
        match self.pad_vocabulary.map(|padded| padded as usize) {
            None => Ok(tokens),
            Some(padded) if padded >= tokens => Ok(padded),
            Some(padded) => Err(usage(format!(
                "--pad-vocabulary {padded}: must be at least the {tokens} tokens that there are"
            ))),
        }
    }

    /// The vocabulary of the text, if it need not be learned first.
    fn vocabulary(&self) -> Result<Option<Vocabulary>, Failure> {
        match &self.prepare.vocabulary {
            None => Vocabulary::of(&self.text.data).map(Some),
            Some(Choice::Bytes) => Ok(Some(Vocabulary::Bytes)),
            Some(Choice::Tokenizer(file)) => Vocabulary::read(file).map(Some),
            Some(Choice::Learn(_)) => Ok(None),
        }
    }

    /// The configuration of a run, and its text, whose tokens are made if they have to be.
    pub fn config(
        &self,
        run: &RunOptions,
        plan: &PlanOptions,
        models: &Models,
    ) -> Result<(RunConfig<TextConfig>, Corpus), Failure> {
        refuse_run(&run.out, run.existing())?;
        // Before the tokens, which can take their time.
        Shape::check(self.text.width, self.text.heads)?;
        device::by_name(&run.device)?;
        let targets = [self.text.layers as usize];
        let found = plan.plan(run, &targets, models.output_projections)?;
        let init_from = self.init_from.as_deref().map(InitFrom::read).transpose()?;
        let tokens = |vocabulary: &Vocabulary| {
            let tokens = self.padded((models.tokens)(vocabulary))?;
            init_from.as_ref().map_or(Ok(()), |from| from.check(&self.text, tokens, models))?;
            Ok::<_, Failure>(tokens)
        };
        self.vocabulary()?.as_ref().map(tokens).transpose()?;
        let text = TextOptions { data: self.tokens(run, models)?, ..self.text.clone() };
        let (mut config, text) = text.config(run, found)?;
        config.task.model = Some(models.name.to_owned());
        let tokens = tokens(text.vocabulary())?;
        if self.pad_vocabulary.is_some() {
            config.task.vocabulary = tokens;
        }
        if let Some(from) = init_from {
            config.task.init_std = None;
            config.task.init_from = Some(from);
        }
        if let Some(epochs) = self.epochs {
            let (rows, parts) = (config.batch as u64, config.accumulate as u64);
            let steps = text.steps(epochs.into(), rows, parts, config.task.seq);
            let run = RunOptions { steps, ..run.clone() };
            config.plan = plan.plan(&run, &targets, models.output_projections)?;
        }
        if let Some(note) = dropped_layers(&config).filter(|_| !holds_run(&run.out)) {
            println!("note: {note}");
        }
        Ok((config, text))
    }

    /// Writes the finished run in the output folder to `dir`, as `write` does it, with its vocabulary.
    pub fn export(
        run: &RunOptions,
        dir: &Path,
        models: &Models,
        write: impl FnOnce(&TextConfig, &Vocabulary, &Path) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (config, vocabulary) = TextConfig::of_run(&run.out, models)?;
        hf::export(dir, run.existing(), |within| {
            write(&config.task, &vocabulary, within)?;
            if let Some(from) = &config.task.init_from {
                hf::restore_fields(within, &from.config)?;
            }
            vocabulary.save_in(within)
        })?;
        println!("written: {}", dir.display());
        Ok(())
    }
}

/// What to say where a plan does not begin with all layers of the model that a run begins with.
fn dropped_layers(config: &RunConfig<TextConfig>) -> Option<String> {
    let RunConfig { task: TextConfig { layers, init_from, .. }, plan, .. } = config;
    let dir = init_from.as_ref()?.dir.display();
    let kept = *plan.timeline(&[*layers]).ok()?.layers(0).first()?;
    (kept < *layers).then(|| {
        format!(
            "the first stage keeps {kept} of the {layers} layers in {dir}: what layers {kept} to {} know is dropped; \
             --from-scratch keeps all",
            layers - 1
        )
    })
}
