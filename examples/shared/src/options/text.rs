//! Options of the examples that learn a text: the text, and the size of the model.

use std::path::{Path, PathBuf};

use burn_apollo::Plan;
use burn_apollo_lab::folder::{holds_run, read_config};
use burn_apollo_lab::{LabError, RunConfig};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::device;
use crate::models::bert::BertConfig;
use crate::models::gpt::GptConfig;
use crate::models::transformer::Shape;
use crate::options::plan::{PlanOptions, probability};
use crate::options::run::{RunOptions, positive_up_to_one};
use crate::text::corpus::prepare::Choice;
use crate::text::corpus::tokens::checksum;
use crate::text::corpus::{
    BYTES, Corpus, Order, Preparation, PrepareOptions, TOKENIZER, Vocabulary,
};
use crate::{Failure, refuse_run, usage};

/// A text and a model for it.
#[derive(Args, Debug, Clone)]
pub struct TextOptions {
    /// Text to learn, or a file of tokens made of one; the last 5 % are kept for validation
    #[arg(long, value_name = "FILE")]
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

/// What a program for texts does beside training.
#[derive(Args, Debug)]
pub struct TextProgram {
    #[command(flatten)]
    pub text: TextOptions,
    #[command(flatten)]
    pub prepare: PrepareOptions,
    /// Passes over the training part of the text, in place of --steps
    #[arg(long, value_name = "N", conflicts_with_all = ["steps", "plan"], value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub epochs: Option<u32>,
    /// Begin with the model in this folder, in Hugging Face's layout, and take sizes and dropout from it; the first stage
    /// of a schedule keeps its first layers, --from-scratch trains all of them
    #[arg(long, value_name = "DIR", conflicts_with = "init_std")]
    pub init_from: Option<PathBuf>,
    /// Write the finished run in the output folder to this folder, in Hugging Face's layout, and train nothing
    #[arg(long, value_name = "DIR", group = "instead")]
    pub export: Option<PathBuf>,
}

/// Where the first weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitFrom {
    pub dir: PathBuf,
    /// CRC-32 of the weights' file.
    pub checksum: u32,
}

/// The text and the model of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    pub data: PathBuf,
    /// CRC-32 of the tokens.
    pub data_checksum: u32,
    /// Tokens to choose from.
    #[serde(default = "bytes", skip_serializing_if = "is_bytes")]
    pub vocabulary: usize,
    /// CRC-32 of the `tokenizer.json`, where tokens are not bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<u32>,
    #[serde(default, skip_serializing_if = "Order::is_random")]
    pub order: Order,
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub seq: usize,
    pub dropout: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_std: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitFrom>,
}

impl TextConfig {
    /// Whether two runs are the same; the same text and first weights may lie elsewhere.
    pub fn same_run(one: &RunConfig<Self>, other: &RunConfig<Self>) -> bool {
        let mut other = other.clone();
        other.task.data.clone_from(&one.task.data);
        if let (Some(one), Some(other)) = (&one.task.init_from, &mut other.task.init_from) {
            other.dir.clone_from(&one.dir);
        }
        *one == other
    }

    /// The tokens of the finished run in `out`.
    pub fn tokens(&self, out: &Path) -> Result<Vocabulary, Failure> {
        Vocabulary::read_same(&out.join(TOKENIZER), self.tokenizer)
    }

    /// Refuses first weights of a model of other sizes: its vocabulary and the options that it needs.
    pub fn check_init(&self, found: Sizes, vocabulary: usize) -> Result<(), Failure> {
        let Some(InitFrom { dir, .. }) = &self.init_from else { return Ok(()) };
        let own = Sizes {
            vocabulary,
            layers: self.layers,
            width: self.width,
            heads: self.heads,
            seq: self.seq,
            dropout: self.dropout,
        };
        let (dir, Sizes { layers, width, heads, seq, dropout, .. }) = (dir.display(), found);
        match found {
            found if found == own => Ok(()),
            Sizes { vocabulary: other, .. } if other != vocabulary => Err(usage(format!(
                "--init-from {dir}: a model of {other} tokens, this one has {vocabulary}"
            ))),
            _ => Err(usage(format!(
                "--init-from {dir}: this model needs --layers {layers} --width {width} --heads {heads} --seq {seq} \
                 --dropout {dropout}"
            ))),
        }
    }
}

/// The sizes of a model for text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    pub vocabulary: usize,
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub seq: usize,
    pub dropout: f64,
}

impl From<&GptConfig> for Sizes {
    fn from(model: &GptConfig) -> Self {
        let &GptConfig { vocabulary, layers, width, heads, positions, dropout, .. } = model;
        Self { vocabulary, layers, width, heads, seq: positions, dropout }
    }
}

impl From<&BertConfig> for Sizes {
    fn from(model: &BertConfig) -> Self {
        let &BertConfig { vocabulary, layers, width, heads, positions, dropout, .. } = model;
        Self { vocabulary, layers, width, heads, seq: positions, dropout }
    }
}

impl InitFrom {
    fn read(dir: &Path) -> Result<Self, Failure> {
        let file = dir.join("model.safetensors");
        match checksum(&file) {
            Ok(checksum) => Ok(Self { dir: dir.to_owned(), checksum }),
            Err(e) => Err(usage(format!("--init-from {}: cannot be read: {e}", file.display()))),
        }
    }
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
    /// Writes the tokens that `--prepare` asks for; says whether it does. A vocabulary that is learned has the
    /// `special` tokens.
    pub fn prepared(&self, run: &RunOptions, special: &[&str]) -> Result<bool, Failure> {
        let PrepareOptions { prepare, vocabulary } = &self.prepare;
        let Some(to) = prepare else { return Ok(false) };
        let choice = vocabulary.as_ref().unwrap_or(&Choice::Bytes);
        let preparation = Preparation { data: &self.text.data, choice, special };
        preparation.write_to(to, run.overwrite).map(|()| true)
    }

    /// What training reads: `--data`, or the tokens in the output folder that `--vocabulary` asks for, made if they are
    /// not there.
    fn tokens(&self, run: &RunOptions, special: &[&str]) -> Result<PathBuf, Failure> {
        let data = &self.text.data;
        let Some(choice) = &self.prepare.vocabulary else { return Ok(data.clone()) };
        let preparation = Preparation { data, choice, special };
        if *choice == Choice::Bytes {
            return preparation.check().map(|()| data.clone());
        }
        let to = preparation.file_in(&run.out)?;
        if run.resume && holds_run(&run.out) {
            let before: RunConfig<TextConfig> = read_config(&run.out)?;
            if before.task.data.file_name() != to.file_name() {
                return Err(LabError::OtherRun { folder: run.out.clone() }.into());
            }
        }
        if !Preparation::is_done(&to) {
            preparation.write_to(&to, true)?;
        }
        Ok(to)
    }

    /// The configuration of a run, and its text, whose tokens are made if they have to be: with the `special` ones. The
    /// `output_projections` are [`PlanOptions::plan`]'s.
    pub fn config(
        &self,
        run: &RunOptions,
        plan: &PlanOptions,
        special: &[&str],
        output_projections: &[&str],
    ) -> Result<(RunConfig<TextConfig>, Corpus), Failure> {
        refuse_run(&run.out, run.existing())?;
        // Before the tokens, which can take their time.
        Shape::check(self.text.width, self.text.heads)?;
        device::by_name(&run.device)?;
        let targets = [self.text.layers as usize];
        let found = plan.plan(run, &targets, output_projections)?;
        let text = TextOptions { data: self.tokens(run, special)?, ..self.text.clone() };
        let (mut config, text) = text.config(run, found)?;
        if let Some(dir) = &self.init_from {
            config.task.init_from = Some(InitFrom::read(dir)?);
            config.task.init_std = None;
        }
        if let Some(epochs) = self.epochs {
            let (rows, parts) = (config.batch as u64, config.accumulate as u64);
            let steps = text.steps(epochs.into(), rows, parts, config.task.seq);
            let run = RunOptions { steps, ..run.clone() };
            config.plan = plan.plan(&run, &targets, output_projections)?;
        }
        Ok((config, text))
    }
}

fn bytes() -> usize {
    BYTES
}

fn is_bytes(vocabulary: &usize) -> bool {
    *vocabulary == BYTES
}
