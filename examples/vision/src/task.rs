use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Tensor};
use burn_apollo::cost::ModelCost;
use burn_apollo_lab::{Baseline, Measure, Result, RunConfig, Score, Task};

use crate::data::{Batch, CLASSES, Image, Images, SIDE};
use crate::linear;
use crate::model::Vit;
use crate::options::{Config, DigitsConfig};
use crate::picture;

/// Which digit an image shows.
pub struct Digits {
    config: Config,
    images: Images,
}

impl Digits {
    pub fn new(config: &Config, images: Images) -> Self {
        Self { config: config.clone(), images }
    }

    /// What the model takes the validation images for.
    fn answers(&self, model: &Vit, device: &Device) -> Result<Vec<u8>> {
        let mut answers = Vec::new();
        for images in self.images.validation().chunks(ROWS) {
            let logits = model.forward(Batch::new(images, device).pixels);
            let found = logits.argmax(1).try_into_data()?;
            answers.extend(found.iter::<u8>());
        }
        Ok(answers)
    }
}

/// Images of a validation batch.
const ROWS: usize = 256;
/// Pictures side by side.
const SHOWN: usize = 5;

impl Task for Digits {
    type Model = Vit;
    type Batch = Batch;

    const ITEMS: &'static str = "images";

    fn model(&self, device: &Device) -> Result<Vit> {
        Ok(self.config.task.model().init(device))
    }

    fn batch(&self, number: u64, device: &Device) -> Result<Batch> {
        let RunConfig { batch, ref task, ref plan, .. } = self.config;
        Ok(Batch::new(&self.images.shuffled(plan.seed, number, batch, task.shift), device))
    }

    fn unit(&self) -> String {
        "nats per image".to_owned()
    }

    fn items(&self, batch: &Batch) -> u64 {
        batch.digits.dims()[0] as u64
    }

    /// Of an image: each of its patches goes through the layers.
    fn cost(&self, _model: &Vit) -> ModelCost {
        let DigitsConfig { width, patch, .. } = self.config.task;
        let patches = (SIDE / patch).pow(2);
        let token = ModelCost::transformer(width, 4 * width, patches, 0);
        let (layer, patches) = (token.forward(&[1]), patches as f64);
        let first = 2.0 * patches * (patch * patch * width) as f64;
        ModelCost::of_layer(patches * layer, first + 2.0 * (width * CLASSES) as f64)
    }

    fn is_deterministic(&self) -> bool {
        self.config.task.dropout == 0.0
    }

    fn loss(&self, model: &Vit, batch: Batch) -> Tensor<1> {
        let logits = model.forward(batch.pixels);
        let device = logits.device();
        CrossEntropyLossConfig::new().init(&device).forward(logits, batch.digits)
    }

    fn validate(&self, model: &Vit, device: &Device) -> Result<Score> {
        Score::mean(self.images.validation().chunks(ROWS).map(|images| {
            let batch = Batch::new(images, device);
            let score = Score::of(model.forward(batch.pixels), batch.digits)?;
            Ok((score, images.len() as f64))
        }))
    }

    fn baseline(&self, device: &Device) -> Result<Option<Baseline>> {
        let (training, validation) = (self.images.training(), self.images.validation());
        let value = linear::best_accuracy(training, validation, device)?;
        let (name, measure) = ("the best linear model", Measure::Accuracy);
        Ok(Some(Baseline { name, measure, value }))
    }

    fn show(&self, model: &Vit, device: &Device) -> Result<Option<String>> {
        let answers = self.answers(model, device)?;
        let pairs: Vec<(&Image, u8)> = self.images.validation().iter().zip(answers).collect();
        let (right, wrong): (Vec<_>, Vec<_>) = pairs.iter().partition(|(i, a)| i.digit == *a);
        let mut text = format!("{} of {} images right, such as\n", right.len(), pairs.len());
        let captioned = right.iter().take(SHOWN).map(|(i, a)| (*i, a.to_string()));
        text += &picture::row(&captioned.collect::<Vec<_>>());
        if !wrong.is_empty() {
            text += &format!("\n\n{} wrong, such as\n", wrong.len());
            let caption = |(i, a): &(&Image, u8)| format!("{}, taken for {a}", i.digit);
            let captioned = wrong.iter().take(SHOWN).map(|pair| (pair.0, caption(pair)));
            text += &picture::row(&captioned.collect::<Vec<_>>());
        }
        Ok(Some(text))
    }
}
