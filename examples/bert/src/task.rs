use std::path::Path;

use apollo_examples::models::bert::{Bert, BertConfig};
use apollo_examples::options::run::RunOptions;
use apollo_examples::options::text::{TextConfig, TextProgram};
use apollo_examples::text::corpus::windows::Window;
use apollo_examples::text::corpus::{Corpus, TOKENIZER};
use apollo_examples::{Failure, device, finished, hf};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_apollo::cost::ModelCost;
use burn_apollo_lab::{Baseline, LabError, Result, RunConfig, Score, Task};

use crate::masking::{Masks, NO_LABEL};
use crate::options::MODELS;

/// Masked tokens of a text from the tokens around them.
pub struct MaskedTokens {
    config: RunConfig<TextConfig>,
    text: Corpus,
    masks: Masks,
}

/// Token ids and labels, both `[batch, seq]`; a label below 0 does not count.
pub struct Batch {
    inputs: Tensor<2, Int>,
    labels: Tensor<2, Int>,
}

/// Windows of the validation part, masked alike in all runs. Fewer would tell little: docs/examples.md has what other
/// masks change.
const WINDOWS: usize = 1024;
const VALIDATION_SEED: u64 = 0;

impl MaskedTokens {
    pub fn new(config: &RunConfig<TextConfig>, text: Corpus) -> Self {
        let masks = Masks::of(text.vocabulary());
        Self { config: config.clone(), text, masks }
    }

    /// The windows with what `mask` hides of their tokens, one window after another.
    fn masked(
        &self,
        windows: &[Window],
        mask: impl FnOnce(&mut [i64]) -> Vec<i64>,
        device: &Device,
    ) -> Batch {
        let seq = self.config.task.seq;
        let inputs = windows.iter().flat_map(|window| &window.0[..seq]);
        let mut ids: Vec<i64> = inputs.map(|id| i64::from(*id)).collect();
        let labels = mask(&mut ids);
        let tensor = |ids| Tensor::from_data(TensorData::new(ids, [windows.len(), seq]), device);
        Batch { inputs: tensor(ids), labels: tensor(labels) }
    }

    fn validation(&self, device: &Device) -> Result<Vec<Batch>> {
        let RunConfig { batch, ref task, .. } = self.config;
        let windows = self.text.held_out(WINDOWS, task.seq)?;
        // By the window's number, so that the masks do not depend on the size of batches.
        let mut numbers = 0..;
        let mut hide = |ids: &mut [i64]| {
            let windows = ids.chunks_mut(task.seq).zip(&mut numbers);
            let masks = self.masks;
            windows.flat_map(|(ids, number)| masks.apply(ids, VALIDATION_SEED, number)).collect()
        };
        Ok(windows.chunks(batch).map(|some| self.masked(some, &mut hide, device)).collect())
    }
}

/// The places of the labels that count, and those labels.
fn answers(labels: &Tensor<2, Int>) -> Result<(Vec<i64>, Vec<i64>)> {
    let labels = labels.clone().try_into_data()?;
    let counted = (0..).zip(labels.iter::<i64>()).filter(|(_, label)| *label != NO_LABEL);
    Ok(counted.unzip())
}

/// The model of a run.
fn shape(task: &TextConfig, masks: Masks) -> Result<BertConfig, Failure> {
    if let Some(from) = task.init_from.as_ref().filter(|from| !from.config.is_empty()) {
        return hf::bert_shape(&from.config, &from.dir);
    }
    Ok(BertConfig {
        vocabulary: masks.vocabulary().max(task.vocabulary),
        positions: task.seq,
        token_types: 2,
        width: task.width,
        heads: task.heads,
        layers: task.layers,
        dropout: task.dropout,
        // BERT's 0.02 for its width of 768, for the same size of sums in a narrow model.
        std: task.init_std.unwrap_or(0.02 * (768.0 / task.width as f64).sqrt()),
    })
}

/// Writes the finished model of a run in Hugging Face's layout.
pub fn export(run: &RunOptions, dir: &Path) -> Result<(), Failure> {
    let device = device::by_name(&run.device)?;
    TextProgram::export(run, dir, &MODELS, |config, vocabulary, to| {
        let shape = shape(config, Masks::of(vocabulary))?;
        hf::export_bert(&shape, &finished(shape.init(&device), &run.out)?, to)
    })
}

impl Task for MaskedTokens {
    type Model = Bert;
    type Batch = Batch;

    const ITEMS: &'static str = "tokens";
    const FILES: &'static [&'static str] = &[TOKENIZER];

    fn model(&self, device: &Device) -> Result<Bert> {
        let task = &self.config.task;
        match &task.init_from {
            Some(from) => Ok(hf::import_bert(&from.dir, device)?.1),
            None => Ok(shape(task, self.masks)?.init(device)),
        }
    }

    fn batch(&self, number: u64, device: &Device) -> Result<Batch> {
        let RunConfig { batch, ref task, ref plan, .. } = self.config;
        let windows = self.text.training(plan.seed, number, batch, task.seq)?;
        Ok(self.masked(&windows, |ids| self.masks.apply(ids, plan.seed, number), device))
    }

    fn unit(&self) -> String {
        format!("nats per masked {}", self.text.unit())
    }

    fn files(&self) -> Vec<(&'static str, &str)> {
        self.text.files()
    }

    fn items(&self, batch: &Batch) -> u64 {
        batch.inputs.dims().iter().product::<usize>() as u64
    }

    /// With the head's own layer before the vocabulary (Devlin et al. 2019).
    fn cost(&self, _model: &Bert) -> ModelCost {
        let TextConfig { width, seq, vocabulary, .. } = self.config.task;
        ModelCost::transformer(width, 4 * width, seq, self.masks.vocabulary().max(vocabulary))
            .with_more(2.0 * (width * width) as f64)
    }

    fn is_deterministic(&self) -> bool {
        self.config.task.dropout == 0.0
    }

    fn loss(&self, model: &Bert, batch: Batch) -> Tensor<1> {
        model.loss(batch.inputs, batch.labels)
    }

    fn validate(&self, model: &Bert, device: &Device) -> Result<Score> {
        Score::mean(self.validation(device)?.into_iter().map(|batch| {
            let (places, labels) = answers(&batch.labels)?;
            let ids = |ids: &[i64]| Tensor::<1, Int>::from_data(TensorData::from(ids), device);
            let logits = model.forward(batch.inputs).select(0, ids(&places));
            Ok((Score::of(logits, ids(&labels))?, places.len() as f64))
        }))
    }

    fn baseline(&self, _device: &Device) -> Result<Option<Baseline>> {
        Ok(Some(self.text.baseline()?))
    }

    /// A window with its masked bytes as underscores, and as the model fills it.
    fn show(&self, model: &Bert, device: &Device) -> Result<Option<String>> {
        let Some(batch) = self.validation(device)?.into_iter().next() else {
            return Ok(None);
        };
        let seq = self.config.task.seq;
        let read = |ids: Tensor<2, Int>| -> Result<Vec<i64>> {
            let ids = ids.narrow(0, 0, 1).try_into_data()?;
            Ok(ids.iter::<i64>().collect())
        };
        let logits = model.forward(batch.inputs.clone()).narrow(0, 0, seq);
        let found = read(logits.argmax(1).reshape([1, seq]))?;
        let (inputs, labels) = (read(batch.inputs)?, read(batch.labels)?);
        // The mask need not be a token of the vocabulary.
        let text = |of: &dyn Fn(usize) -> Option<i64>| -> Result<String> {
            let mut text = String::new();
            let mut ids = Vec::new();
            for id in (0..=seq).map(|i| if i < seq { of(i) } else { None }) {
                match id {
                    Some(id) => ids.push(id as u32),
                    None => {
                        text += &self.text.vocabulary().decode(&ids).map_err(LabError::failed)?;
                        text.push('_');
                        ids.clear();
                    }
                }
            }
            text.pop();
            Ok(text.replace('\n', "/"))
        };
        let counts = |i: usize| labels[i] != NO_LABEL;
        let masked = text(&|i| (inputs[i] != self.masks.mask).then_some(inputs[i]))?;
        let filled = text(&|i| {
            Some(if counts(i) { found[i] } else { inputs[i] }).filter(|id| *id != self.masks.mask)
        })?;
        let right = text(&|i| Some(if counts(i) { labels[i] } else { inputs[i] }))?;
        Ok(Some(format!("masked: {masked}\nfilled: {filled}\nright:  {right}")))
    }
}
