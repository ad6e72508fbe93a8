use std::error::Error;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamWConfig;
use burn::prelude::*;
use burn::train::{
    ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep,
};
use burn_apollo::stack::LayerStack; // new
use burn_apollo::train::Trainable; // new
use burn_apollo::{Apollo, Plan, growable}; // new

use super::lines::Lines;
use super::spirals::{self, Points};

#[derive(Module, Debug)]
struct Net {
    input: Linear,
    blocks: LayerStack<Linear>, // new
    output: Linear,
}

growable!(Net { blocks }); // new

impl Net {
    fn new(device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            input: linear(2, 32),
            blocks: (0..8).map(|_| linear(32, 32)).collect(),
            output: linear(32, 2),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let mut x = self.input.forward(x);
        for block in &self.blocks {
            x = x.clone() + block.forward(x).tanh();
        }
        self.output.forward(x)
    }
}

impl TrainStep for Net {
    type Input = Points;
    type Output = ClassificationOutput;

    fn step(&self, points: Points) -> TrainOutput<ClassificationOutput> {
        let output = points.classify(|x| self.forward(x));
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Net {
    type Input = Points;
    type Output = ClassificationOutput;

    fn step(&self, points: Points) -> ClassificationOutput {
        points.classify(|x| self.forward(x))
    }
}

pub fn train(device: &Device) -> Result<f64, Box<dyn Error>> {
    device.seed(1);
    let model = Net::new(&device.clone().autodiff());
    let dir = tempfile::tempdir()?;
    let steps = spirals::EPOCHS * spirals::BATCHES;
    let schedule = CosineAnnealingLrSchedulerConfig::new(0.01, steps).init()?;
    let training = SupervisedTraining::new(&dir, spirals::train(), spirals::valid())
        .num_epochs(spirals::EPOCHS)
        .renderer(Box::new(Lines::to(std::io::sink())));
    let model = Apollo::new(model, Plan::new(steps as u64))?; // new
    let model = Trainable::new(model, training.interrupter()); // new
    let learner = Learner::new(model, AdamWConfig::new().init(), schedule);
    let result = training.launch(learner);
    let model = result.model.into_apollo().and_then(Apollo::into_inner)?; // new
    Ok(spirals::accuracy(device, |x| model.forward(x))?)
}
