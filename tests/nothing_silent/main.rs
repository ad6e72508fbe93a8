//! Wrong uses, each of which is an error at once and names what would be right.

mod runs;
mod sets;

use std::path::Path;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Tensor};
use burn_apollo::checkpoint::{CheckpointStore, Retention};
use burn_apollo::depth::ConstantLow;
use burn_apollo::schedule::{Schedule, Stage, Until};
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, growable};

#[derive(Module, Debug)]
pub struct Net {
    pub input: Linear,
    pub blocks: LayerStack<Linear>,
}

growable!(Net { blocks });

impl Net {
    pub fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let forward = |x: Tensor<2>, block: &Linear| x.clone() + block.forward(x).tanh();
        self.blocks.iter().fold(self.input.forward(x), forward).powi_scalar(2).mean()
    }
}

pub fn device() -> Device {
    Device::flex().autodiff()
}

pub fn net() -> Net {
    let layer = || LinearConfig::new(4, 4).init(&device());
    Net { input: layer(), blocks: (0..4).map(|_| layer()).collect() }
}

/// 1 layer until step 3, 2 until step 6, then 4, of 12 steps.
pub fn plan() -> Plan {
    let stage = |layers, end| Stage { layers: vec![layers], until: Some(Until::Step(end)) };
    let stages = vec![stage(1, 3), stage(2, 6), stage(4, 12)];
    Plan::new(12).with_schedule(Schedule { stages }).with_sampler(ConstantLow)
}

pub fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

pub fn gradients(apollo: &Apollo<Net>, factor: f64) -> GradientsParams {
    let x = Tensor::random([2, 4], Distribution::Default, &device());
    let loss = apollo.model().loss(x).mul_scalar(factor);
    GradientsParams::from_grads(loss.backward(), apollo.model())
}

pub fn train(apollo: &mut Apollo<Net>, optim: &mut ModuleOptimizer, steps: u64) {
    for _ in 0..steps {
        let grads = gradients(apollo, 1.0);
        apollo.update(optim, 0.01, grads).unwrap();
    }
}

pub fn new_run(plan: Plan) -> (Apollo<Net>, ModuleOptimizer, ModuleLrScheduler) {
    let scheduler = plan.lr.scheduler(0.01, plan.steps).unwrap();
    (Apollo::new(net(), plan).unwrap(), adamw(), scheduler)
}

pub fn store(dir: &Path) -> CheckpointStore {
    CheckpointStore::open(dir, Retention::last(9)).unwrap()
}
