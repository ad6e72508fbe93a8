use burn::tensor::{Device, Tensor};

use crate::common::corpus::{Batch, Corpus, TOKENIZER};
use crate::common::gpt::Gpt;
use crate::common::run_options::RunConfig;
use crate::common::task::{Baseline, Score, Task};
use crate::common::text_options::{Sizes, TextConfig};
use crate::common::{Failure, hf};
use crate::generate::{self, Sampling};
use crate::options::{self, Options};

/// Every token of a text from the tokens before it.
pub struct NextToken {
    config: RunConfig<TextConfig>,
    text: Corpus,
    sampling: Sampling,
}

impl NextToken {
    pub fn new(options: &Options, config: &RunConfig<TextConfig>, text: Corpus) -> Self {
        Self { config: config.clone(), text, sampling: Sampling::new(options) }
    }
}

/// Windows of the validation part.
const WINDOWS: usize = 64;

impl Task for NextToken {
    type Model = Gpt;
    type Batch = Batch;

    const ITEMS: &'static str = "tokens";

    fn model(&self, device: &Device) -> Result<Gpt, Failure> {
        let task = &self.config.task;
        let Some(from) = &task.init_from else { return Ok(options::model(task).init(device)) };
        let (found, model) = hf::import_gpt2(&from.dir, device)?;
        task.check_init(Sizes::from(&found), task.vocabulary)?;
        Ok(model)
    }

    fn targets(&self) -> Vec<usize> {
        vec![self.config.task.layers]
    }

    fn batch(&self, number: u64, device: &Device) -> Result<Batch, Failure> {
        let RunConfig { seed, batch, ref task, .. } = self.config;
        self.text.batch(seed, number, batch, task.seq, device)
    }

    fn unit(&self) -> String {
        format!("nats per {}", self.text.unit())
    }

    fn files(&self) -> Vec<(&'static str, &str)> {
        self.text.vocabulary().json().map(|json| (TOKENIZER, json)).into_iter().collect()
    }

    fn items(&self, batch: &Batch) -> u64 {
        batch.inputs.dims().iter().product::<usize>() as u64
    }

    fn loss(&self, model: &Gpt, batch: Batch) -> Tensor<1> {
        model.loss(batch.inputs, batch.targets)
    }

    fn validate(&self, model: &Gpt, device: &Device) -> Result<Score, Failure> {
        let RunConfig { batch, ref task, .. } = self.config;
        let batches = self.text.validation(WINDOWS, batch, task.seq, device)?;
        Score::mean(batches.into_iter().map(|batch| {
            let answers = self.items(&batch) as f64;
            let logits = model.forward(batch.inputs);
            Ok((Score::of(logits, batch.targets.flatten(0, 1))?, answers))
        }))
    }

    fn baseline(&self, _device: &Device) -> Result<Baseline, Failure> {
        self.text.baseline()
    }

    fn show(&self, model: &Gpt, device: &Device) -> Result<String, Failure> {
        generate::text(model, self.text.vocabulary(), "ROMEO:", &self.sampling, device)
    }
}
