//! Small models for the tests.
#![allow(dead_code)] // every test binary uses a part of it

pub mod burn_train;
pub mod measured;
pub mod roster;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::Interrupter;
use burn_apollo::branch::Role;
use burn_apollo::schedule::{Schedule, Stage, Until};
use burn_apollo::stack::{Growable, LayerStack};
use burn_apollo::train::{LossRecorder, Trainable};
use burn_apollo::{
    Apollo, Plan,
    apollo::{ApolloError, GrowthReport, StepReport},
    growable,
};

pub const WIDTH: usize = 6;

/// A residual block that counts how often it runs.
#[derive(Module, Debug)]
pub struct Block {
    linear: Linear,
    #[module(skip)]
    calls: Calls,
}

#[derive(Debug, Clone, Default)]
pub struct Calls(pub Arc<AtomicUsize>);

impl Calls {
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// Depth and unique layers of every training step inside burn-train, in the order in which they ran.
#[derive(Debug, Clone, Default)]
pub struct Ran(Arc<Mutex<Vec<(usize, usize)>>>);

impl Ran {
    pub fn push(&self, blocks: &LayerStack<Block>) {
        self.0.lock().unwrap().push((blocks.depth(), blocks.layers().len()));
    }

    pub fn depths(&self) -> Vec<usize> {
        self.0.lock().unwrap().iter().map(|(depth, _)| *depth).collect()
    }

    pub fn unique_layers(&self) -> Vec<usize> {
        self.0.lock().unwrap().iter().map(|(_, layers)| *layers).collect()
    }
}

impl Block {
    /// A block with random weights, which are drawn when they are first used.
    pub fn random(device: &Device) -> Self {
        Self { linear: LinearConfig::new(WIDTH, WIDTH).init(device), calls: Calls::default() }
    }

    pub fn weight(&self) -> Tensor<2> {
        self.linear.weight.val()
    }

    pub fn bias(&self) -> Tensor<1> {
        self.linear.bias.as_ref().unwrap().val()
    }

    pub fn freeze_bias(&mut self) {
        self.linear.bias = self.linear.bias.take().map(|bias| bias.set_require_grad(false));
    }

    /// Adds `delta` to one weight.
    pub fn nudge(&mut self, row: usize, column: usize, delta: f32) {
        let weight = self.weight().inner();
        let mut values: Vec<f32> = weight.clone().into_data().iter::<f32>().collect();
        values[row * WIDTH + column] += delta;
        let device = self.linear.weight.val().device();
        self.linear.weight = Param::from_data(TensorData::new(values, [WIDTH, WIDTH]), &device);
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.calls.0.fetch_add(1, Ordering::SeqCst);
        x.clone() + self.linear.forward(x).tanh()
    }
}

/// A projection, a stack of blocks and a head.
#[derive(Module, Debug)]
pub struct Net {
    input: Linear,
    pub blocks: LayerStack<Block>,
    head: Linear,
    #[module(skip)]
    pub calls: Calls,
    /// Where a test hears the losses of burn-train's steps.
    #[module(skip)]
    pub losses: Option<LossRecorder>,
    #[module(skip)]
    pub ran: Ran,
}

growable!(Net { blocks });

impl Net {
    /// A net whose weights are the same in every test and every process.
    pub fn new(layers: usize, device: &Device) -> Self {
        let (calls, on) = (Calls::default(), device.clone());
        let shared = calls.clone();
        Self {
            input: linear(WIDTH, 1, device),
            blocks: LayerStack::from_fn(layers, move |i| Block {
                linear: linear(WIDTH, 100 + i, &on),
                calls: shared.clone(),
            }),
            head: linear(1, 2, device),
            calls,
            losses: None,
            ran: Ran::default(),
        }
    }

    /// A net with random blocks that initialise when they are first used.
    pub fn random(layers: usize, device: &Device) -> Self {
        let (on, calls) = (device.clone(), Calls::default());
        let random = move |_| Block { calls: calls.clone(), ..Block::random(&on) };
        let blocks = LayerStack::from_fn(layers, random);
        Self { blocks, ..Self::new(layers, device) }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let mut x = self.input.forward(x);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.head.forward(x)
    }

    /// Mean squared error against the sum of the inputs, `[1]`.
    pub fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let target = x.clone().sum_dim(1);
        (self.forward(x) - target).powi_scalar(2).mean()
    }

    /// The net with a projection that is not trained.
    pub fn frozen_input(&self) -> Self {
        Self { input: self.input.clone().no_grad(), ..self.clone() }
    }

    pub fn input_is_trained(&self) -> bool {
        self.input.weight.val().is_require_grad()
    }

    /// The same stack with layers in place of the unique ones.
    pub fn with_blocks(&self, blocks: Vec<Block>) -> Self {
        Self { blocks: blocks.into(), ..self.clone() }
    }
}

/// Weights that follow from `seed` alone; tests run side by side and share the device's generator.
fn linear(outputs: usize, seed: usize, device: &Device) -> Linear {
    let values = |count: usize, salt: usize| -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 101 + salt) as f32 * 0.71).sin() * 0.4).collect()
    };
    let weight = TensorData::new(values(WIDTH * outputs, 0), [WIDTH, outputs]);
    let mut linear = LinearConfig::new(WIDTH, outputs).init(device);
    linear.weight = Param::from_data(weight, device);
    linear.bias = Some(Param::from_data(TensorData::new(values(outputs, 5), [outputs]), device));
    linear
}

/// The batch of a step: a pure function of the step.
pub fn batch(step: u64, device: &Device) -> Tensor<2> {
    let values: Vec<f32> =
        (0..4 * WIDTH as u64).map(|i| ((step * 31 + i * 7 + 3) as f32 * 0.37).sin()).collect();
    Tensor::<1>::from_floats(values.as_slice(), device).reshape([4, WIDTH])
}

/// Stages that end at these steps; the last ends with the run.
pub fn stages(stages: &[(usize, u64)], last: usize) -> Schedule {
    let mut stages: Vec<Stage> = stages
        .iter()
        .map(|(layers, end)| Stage { layers: vec![*layers], until: Some(Until::Step(*end)) })
        .collect();
    stages.push(Stage { layers: vec![last], until: None });
    Schedule { stages }
}

/// Every float parameter by path: its id and its bits.
pub fn parameters(module: &impl Module) -> BTreeMap<String, (ParamId, Vec<u32>)> {
    let mut collect = Collect::default();
    module.visit(&mut collect);
    collect.found
}

/// Every float parameter by path: its bits.
pub fn bits(module: &impl Module) -> BTreeMap<String, Vec<u32>> {
    parameters(module).into_iter().map(|(path, (_, bits))| (path, bits)).collect()
}

#[derive(Default)]
struct Collect {
    path: Vec<String>,
    found: BTreeMap<String, (ParamId, Vec<u32>)>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let bits = param.val().into_data().iter::<f32>().map(f32::to_bits).collect();
        self.found.insert(self.path.join("."), (param.id, bits));
    }
}

pub fn device() -> Device {
    Device::flex().autodiff()
}

pub fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

pub fn apollo(layers: usize, plan: Plan) -> Apollo<Net> {
    Apollo::new(Net::new(layers, &device()), plan).unwrap()
}

/// One optimizer step on the batch of its number; gives the loss's bits and what the step answered.
pub fn try_step<R: Role>(
    run: &mut Apollo<Net, R>,
    optim: &mut ModuleOptimizer,
    lr: f64,
) -> (u32, Result<StepReport, ApolloError>) {
    let loss = run.model().loss(batch(run.step_count(), &device()));
    let bits = loss.clone().into_scalar::<f32>().to_bits();
    let grads = GradientsParams::from_grads(loss.backward(), run.model());
    (bits, run.update(optim, lr, grads))
}

/// One step that must succeed; gives the loss's bits and the growth that followed.
pub fn train_step<R: Role>(
    run: &mut Apollo<Net, R>,
    optim: &mut ModuleOptimizer,
    lr: f64,
) -> (u32, Option<GrowthReport>) {
    let (bits, report) = try_step(run, optim, lr);
    (bits, report.unwrap().growth)
}

/// Steps at a rate of 0.01, which must succeed.
pub fn train<R: Role>(
    mut run: Apollo<Net, R>,
    optim: &mut ModuleOptimizer,
    steps: u64,
) -> Apollo<Net, R> {
    for _ in 0..steps {
        train_step(&mut run, optim, 0.01);
    }
    run
}

/// The gradients of `loss`, which is one of the run's model.
pub fn grads_of<M: Growable>(loss: &Tensor<1>, apollo: &Apollo<M>) -> GradientsParams {
    GradientsParams::from_grads(loss.backward(), apollo.model())
}

/// A step whose gradients are not finite, and so the weights after it.
pub fn spoil(apollo: &mut Apollo<Net>, optim: &mut ModuleOptimizer) {
    let loss = apollo.model().loss(batch(apollo.step_count(), &device())).mul_scalar(f32::NAN);
    let grads = grads_of(&loss, apollo);
    apollo.update(optim, 0.01, grads).unwrap();
}

/// The record of a run as burn-train's own checkpointers write it.
pub fn record<M: Growable>(apollo: &Apollo<M>) -> ModuleRecord {
    Trainable::new(apollo.clone(), Interrupter::new()).into_record()
}

/// The record as bytes.
pub fn record_bytes<M: Growable>(apollo: &Apollo<M>) -> burn::tensor::Bytes {
    record(apollo).into_bytes().unwrap()
}

/// The run that a record is of.
pub fn load_record<M: Growable>(apollo: Apollo<M>, record: ModuleRecord) -> Apollo<M> {
    try_load_record(apollo, record).unwrap()
}

pub fn try_load_record<M: Growable>(
    apollo: Apollo<M>,
    record: ModuleRecord,
) -> Result<Apollo<M>, burn::store::RecordError> {
    let model = Trainable::new(apollo, Interrupter::new()).try_load_record(record)?;
    Ok(model.into_apollo().unwrap())
}

/// The steps before which a run grew.
pub fn growth_steps<M>(apollo: &Apollo<M>) -> Vec<u64> {
    apollo.growths().map(|(step, _)| step).collect()
}

/// An error and its causes in one line.
pub fn chain(error: &dyn core::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The bits of the loss on `x` at `depth`.
pub fn loss_at(apollo: &Apollo<Net>, depth: usize, x: &Tensor<2>) -> u32 {
    let mut apollo = apollo.clone();
    apollo.set_depth(depth).unwrap();
    apollo.model().loss(x.clone()).into_scalar::<f32>().to_bits()
}

/// The optimizer's numbers, whatever the ids.
pub fn state(optim: &ModuleOptimizer) -> Vec<Vec<u8>> {
    let reader = burn_pack::Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let tensors = reader.into_tensors().unwrap().into_iter();
    let mut numbers: Vec<Vec<u8>> = tensors.map(|t| t.into_bytes().unwrap().to_vec()).collect();
    numbers.sort();
    numbers
}
