//! The task of a GPT: every token of a text from the tokens before it.

use burn::tensor::{Device, Tensor};
use burn_apollo::cost::ModelCost;
use burn_apollo_lab::{Baseline, Result, RunConfig, Score, Task};

use crate::hf;
use crate::models::gpt::{Gpt, GptConfig};
use crate::options::text::TextConfig;
use crate::text::corpus::{Batch, Corpus, TOKENIZER};
use crate::text::generate::{self, Sampling};

/// Every token of a text from the tokens before it.
pub struct NextToken {
    config: TextConfig,
    seed: u64,
    batch: usize,
    text: Corpus,
    sampling: Sampling,
}

impl NextToken {
    pub fn new(config: &RunConfig<TextConfig>, text: Corpus, sampling: Sampling) -> Self {
        let RunConfig { task, batch, plan, .. } = config;
        Self { config: task.clone(), seed: plan.seed, batch: *batch, text, sampling }
    }
}

/// What a finished model continues.
const PROMPT: &str = "ROMEO:";
/// Windows of the validation part.
const WINDOWS: usize = 64;

impl Task for NextToken {
    type Model = Gpt;
    type Batch = Batch;

    const ITEMS: &'static str = "tokens";
    const FILES: &'static [&'static str] = &[TOKENIZER];

    fn model(&self, device: &Device) -> Result<Gpt> {
        let task = &self.config;
        let Some(from) = &task.init_from else { return Ok(model(task).init(device)) };
        Ok(hf::import_gpt2(&from.dir, device)?.1)
    }

    fn batch(&self, number: u64, device: &Device) -> Result<Batch> {
        Ok(self.text.batch(self.seed, number, self.batch, self.config.seq, device)?)
    }

    fn unit(&self) -> String {
        format!("nats per {}", self.text.unit())
    }

    fn files(&self) -> Vec<(&'static str, &str)> {
        self.text.files()
    }

    fn items(&self, batch: &Batch) -> u64 {
        batch.inputs.dims().iter().product::<usize>() as u64
    }

    fn cost(&self, _model: &Gpt) -> ModelCost {
        let TextConfig { vocabulary, width, seq, .. } = self.config;
        ModelCost::transformer(width, 4 * width, seq, vocabulary)
    }

    fn is_deterministic(&self) -> bool {
        self.config.dropout == 0.0
    }

    fn loss(&self, model: &Gpt, batch: Batch) -> Tensor<1> {
        model.loss(batch.inputs, batch.targets)
    }

    fn validate(&self, model: &Gpt, device: &Device) -> Result<Score> {
        let batches = self.text.validation(WINDOWS, self.batch, self.config.seq, device)?;
        Score::mean(batches.into_iter().map(|batch| {
            let answers = self.items(&batch) as f64;
            let logits = model.forward(batch.inputs);
            Ok((Score::of(logits, batch.targets.flatten(0, 1))?, answers))
        }))
    }

    fn baseline(&self, _device: &Device) -> Result<Option<Baseline>> {
        Ok(Some(self.text.baseline()?))
    }

    fn show(&self, model: &Gpt, device: &Device) -> Result<Option<String>> {
        let vocabulary = self.text.vocabulary();
        // Not every vocabulary can write it.
        let Some(ids) = vocabulary.encode(PROMPT).ok().filter(|ids| !ids.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(generate::text(model, vocabulary, ids, &self.sampling, device)?))
    }
}

/// The model of a run.
pub fn model(config: &TextConfig) -> GptConfig {
    GptConfig {
        vocabulary: config.vocabulary,
        positions: config.seq,
        width: config.width,
        heads: config.heads,
        layers: config.layers,
        // Measured on the default run: GPT-2's 0.02 for its width of 768 is too little for a narrow model.
        embedding_std: config.init_std.unwrap_or(0.1),
        linear_std: config.init_std.unwrap_or(0.02 * (768.0 / config.width as f64).sqrt()),
        dropout: config.dropout,
    }
}
