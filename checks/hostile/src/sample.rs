//! A checkpoint that is kept, and the run that wrote it.

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::Restored;
use burn_apollo::policy::LossPlateau;
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, growable};

/// A residual network of four layers, as small as can be.
#[derive(Module, Debug)]
pub struct Tiny {
    pub blocks: LayerStack<Linear>,
    head: Linear,
}

growable!(Tiny { blocks });

impl Tiny {
    pub fn new(device: &Device) -> Self {
        let linear = |to| LinearConfig::new(2, to).init(device);
        Self { blocks: (0..4).map(|_| linear(2)).collect(), head: linear(1) }
    }

    /// Mean squared error against the sum of the inputs, `[1]`.
    pub fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let hidden = self.blocks.iter().fold(x.clone(), |x, l| x.clone() + l.forward(x).tanh());
        (self.head.forward(hidden) - x.sum_dim(1)).powi_scalar(2).mean()
    }
}

/// The run whose checkpoint is kept in `data/checkpoint-v3`: 20 steps, 1 → 2 → 4 layers.
pub fn fresh(device: &Device) -> Restored<Tiny> {
    let policy = LossPlateau::new(15).expect("a valid patience");
    let plan = Plan::new(20).with_policy(policy).with_seed(11);
    (Apollo::new(Tiny::new(device), plan).expect("a valid plan"), optim(), scheduler())
}

fn optim() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

fn scheduler() -> ModuleLrScheduler {
    let (warm_up, rest) = (
        LinearLrSchedulerConfig::new(0.001, 0.01, 2),
        CosineAnnealingLrSchedulerConfig::new(0.01, 18),
    );
    SequentialLrSchedulerConfig::new(vec![warm_up.into(), rest.into()], vec![2])
        .init()
        .expect("a valid schedule")
}

/// The files of the checkpoint by name.
pub const SAMPLE: [(&str, &[u8]); 4] = [
    ("manifest.json", include_bytes!("../data/checkpoint-v3/manifest.json")),
    ("model.bpk", include_bytes!("../data/checkpoint-v3/model.bpk")),
    ("optim.bpk", include_bytes!("../data/checkpoint-v3/optim.bpk")),
    ("scheduler.bpk", include_bytes!("../data/checkpoint-v3/scheduler.bpk")),
];
