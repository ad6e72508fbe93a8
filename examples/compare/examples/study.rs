//! What growth saves on a model of your own: `cargo run -p compare --example study`, some seconds.
//!
//! A residual network of eight layers learns waves. The study trains it from scratch, by two published recipes and by a plan of its own, and
//! one of four layers, each with the best of two learning rates, at two lengths with two seeds, and shows what each takes to the loss of training from scratch.

use std::error::Error;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_apollo::depth::ConstantLow;
use burn_apollo::policy::LossPlateau;
use burn_apollo::schedule::Schedule;
use burn_apollo::{Plan, growable, stack::LayerStack};
use burn_apollo_lab::study::{Outcome, Study, StudyConfig};
use burn_apollo_lab::{Result, RunConfig, Score, StudyProgress, Task};
use serde::{Deserialize, Serialize};

const WIDTH: usize = 16;
const LAYERS: usize = 8;

#[derive(Module, Debug)]
struct Block {
    hidden: Linear,
    output: Linear,
}

#[derive(Module, Debug)]
struct Net {
    blocks: LayerStack<Block>,
}

growable!(Net { blocks });

/// What of the task a study may vary.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Config {
    layers: usize,
}

struct Waves {
    layers: usize,
    /// Of the run: each has points of its own.
    seed: u64,
    points: usize,
}

impl Waves {
    /// The mean squared error of what the network makes of points, whose true values are waves.
    fn error(&self, net: &Net, x: Tensor<2>) -> Tensor<1> {
        let waves = (x.clone() * 2.0).sin() + x.clone().mean_dim(1).cos();
        let forward = |x: Tensor<2>, block: &Block| {
            x.clone() + block.output.forward(block.hidden.forward(x).tanh())
        };
        (net.blocks.iter().fold(x, forward) - waves).powi_scalar(2).mean()
    }
}

impl Task for Waves {
    type Model = Net;
    type Batch = Tensor<2>;

    fn model(&self, device: &Device) -> Result<Net> {
        let device = device.clone();
        let linear = move || LinearConfig::new(WIDTH, WIDTH).init(&device);
        let layer = move |_| Block { hidden: linear(), output: linear() };
        Ok(Net { blocks: LayerStack::from_fn(self.layers, layer) })
    }

    /// A function of the number, beside the run's seed: all trainings with a seed see the same data.
    fn batch(&self, number: u64, device: &Device) -> Result<Tensor<2>> {
        let first = (self.seed << 40) as f64 + (self.points * WIDTH) as f64 * number as f64;
        let value = |i: usize| (12.9898 * (i as f64 + first)).sin() * 43758.5453;
        let values: Vec<f64> = (0..self.points * WIDTH).map(|i| 2.0 * value(i).fract()).collect();
        Ok(Tensor::<1>::from_floats(values.as_slice(), device).reshape([self.points, WIDTH]))
    }

    fn items(&self, batch: &Tensor<2>) -> u64 {
        batch.dims()[0] as u64
    }

    fn loss(&self, net: &Net, batch: Tensor<2>) -> Tensor<1> {
        self.error(net, batch)
    }

    fn validate(&self, net: &Net, device: &Device) -> Result<Score> {
        let x = self.batch(1 << 32, device)?;
        Ok(Score { loss: self.error(net, x).try_into_scalar()?, accuracy: None })
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let steps = 1000;
    // Half of the layers until the loss no longer falls, or 60 % of the run at the latest.
    let at_plateau = Plan::new(steps)
        .with_schedule(Schedule::one_hop(&[LAYERS / 2], &[LAYERS], 0.6))
        .with_sampler(ConstantLow)
        .with_policy(LossPlateau::new(50)?);
    let recipes = ["g_stack", "half_zeroed"];
    let mut study = StudyConfig::new(recipes, steps).with_plan("at_plateau", at_plateau);
    study.learning_rates = vec![0.003, 0.01];
    study.seeds = vec![1, 2];
    study.shares = vec![0.5, 1.0];
    // Would a shallower network do?
    study.depths = vec![LAYERS / 2];
    // What is zero in new layers that begin as the identity.
    study.output_projections = vec!["output".to_owned()];
    // What all trainings have in common; recipes and lengths bring their own plans.
    let base = RunConfig::new(Config { layers: LAYERS }, Plan::new(steps));
    let study = Study::new("runs/study", study, base, Device::flex(), |config| {
        Ok(Waves { layers: config.task.layers, seed: config.plan.seed, points: config.batch })
    })
    .with_depths(|config, layers| config.layers = layers)
    .observer(StudyProgress::default());
    if let Outcome::Finished(comparison) = study.run()? {
        print!("{}", comparison.table());
        comparison.advice().iter().for_each(|said| println!("{said}"));
        println!("written: runs/study/report.html");
    }
    Ok(())
}
