use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Tensor};
use burn_apollo_lab::{Baseline, Measure, Measures, Result, RunConfig, Score, Task};

use crate::data::{self, Batch, Problem};
use crate::model::Seq2Seq;
use crate::options::Config;
use crate::solve;

/// Letters in order.
pub struct Sorting {
    config: Config,
    /// What validation and its baseline look at.
    held: Vec<Problem>,
}

/// Validation problems.
const HELD: usize = 1000;
/// Problems of a validation batch.
const ROWS: usize = 250;
/// Problems to show.
const SHOWN: usize = 8;

impl Sorting {
    pub fn new(config: &Config) -> Self {
        let held = data::validation(config.plan.seed, HELD, config.task.length);
        Self { config: config.clone(), held }
    }

    /// Validation problems in batches, and their answers by greedy decoding.
    fn solved(&self, model: &Seq2Seq, device: &Device) -> Result<Vec<Vec<u8>>> {
        let mut answers = Vec::new();
        for problems in self.held.chunks(ROWS) {
            answers.extend(solve::answers(model, problems, self.config.task.length, device)?);
        }
        Ok(answers)
    }
}

/// Logits at the places that are not padding.
fn logits(model: &Seq2Seq, batch: &Batch) -> Tensor<2> {
    let memory = model.encode(batch.source.clone());
    model.decode(batch.inputs.clone(), &memory).select(0, batch.places.clone())
}

impl Task for Sorting {
    type Model = Seq2Seq;
    type Batch = Batch;

    const ITEMS: &'static str = "tokens";

    fn model(&self, device: &Device) -> Result<Seq2Seq> {
        Ok(self.config.task.model().init(device))
    }

    fn batch(&self, number: u64, device: &Device) -> Result<Batch> {
        let RunConfig { batch, ref task, ref plan, .. } = self.config;
        let problems = data::training(plan.seed, number, batch, task.length);
        Ok(Batch::new(&problems, task.length, device))
    }

    fn unit(&self) -> String {
        "nats per token".to_owned()
    }

    fn items(&self, batch: &Batch) -> u64 {
        batch.tokens
    }

    fn is_deterministic(&self) -> bool {
        self.config.task.dropout == 0.0
    }

    fn loss(&self, model: &Seq2Seq, batch: Batch) -> Tensor<1> {
        let logits = logits(model, &batch);
        let device = logits.device();
        CrossEntropyLossConfig::new().init(&device).forward(logits, batch.next)
    }

    /// Loss and share of right tokens after the right tokens before them.
    fn validate(&self, model: &Seq2Seq, device: &Device) -> Result<Score> {
        Score::mean(self.held.chunks(ROWS).map(|problems| {
            let batch = Batch::new(problems, self.config.task.length, device);
            let answers = batch.next.dims()[0] as f64;
            Ok((Score::of(logits(model, &batch), batch.next)?, answers))
        }))
    }

    /// The share of answers that greedy decoding gets right as a whole.
    fn measures(&self, model: &Seq2Seq, device: &Device) -> Result<Measures> {
        let answers = self.solved(model, device)?;
        let right = answers.iter().zip(&self.held).filter(|(a, p)| **a == p.answer).count();
        Ok(Measures::from([("exact_match", right as f64 / self.held.len() as f64)]))
    }

    fn baseline(&self, _device: &Device) -> Result<Option<Baseline>> {
        let value = data::best_guess(&self.held);
        let (name, measure) = ("the best guess for each place", Measure::Accuracy);
        Ok(Some(Baseline { name, measure, value }))
    }

    fn show(&self, model: &Seq2Seq, device: &Device) -> Result<Option<String>> {
        let answers = self.solved(model, device)?;
        let all: Vec<_> = self.held.iter().zip(&answers).collect();
        let (right, wrong): (Vec<_>, Vec<_>) = all.into_iter().partition(|(p, a)| p.answer == **a);
        let lines = |pairs: &[(&Problem, &Vec<u8>)]| -> String {
            let shown = pairs.iter().take(SHOWN).map(|(p, a)| solve::shown(p, a) + "\n");
            shown.collect()
        };
        let mut text = format!("{} of {} sorted", right.len(), self.held.len());
        if !right.is_empty() {
            text += &format!(", such as\n{}", lines(&right));
        }
        if !wrong.is_empty() {
            text += &format!("\n{} not, such as\n{}", wrong.len(), lines(&wrong));
        }
        text.truncate(text.trim_end().len());
        Ok(Some(text))
    }
}
