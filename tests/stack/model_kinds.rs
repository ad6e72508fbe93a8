//! Kinds of models: several stacks, stacks in stacks, layers of several kinds; and what is refused.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_apollo::depth::ConstantLow;
use burn_apollo::expand::{Interpolation, NewLayers, Stacking};
use burn_apollo::schedule::{Schedule, Stage, Until};
use burn_apollo::stack::{Growable, GrowableStack, LayerStack};
use burn_apollo::{Apollo, Plan, growable};

use crate::support::{
    WIDTH, adamw, batch, bits, device, grads_of, load_record, parameters, record, stages,
};

fn linear(device: &Device) -> Linear {
    LinearConfig::new(WIDTH, WIDTH).init(device)
}

fn residual(x: Tensor<2>, layer: &Linear) -> Tensor<2> {
    x.clone() + layer.forward(x).tanh()
}

/// Any number of stages of layers, as in a vision backbone.
#[derive(Module, Debug)]
struct Stages {
    stages: Vec<LayerStack<Linear>>,
}

impl Growable for Stages {
    fn stacks(&self) -> Vec<&dyn GrowableStack> {
        self.stages.iter().map(|stack| stack as _).collect()
    }

    fn stacks_mut(&mut self) -> Vec<&mut dyn GrowableStack> {
        self.stages.iter_mut().map(|stack| stack as _).collect()
    }
}

/// A stack whose layers hold stacks; here the inner ones grow.
#[derive(Module, Debug)]
struct Tower {
    blocks: LayerStack<Floor>,
}

#[derive(Module, Debug)]
struct Floor {
    inner: LayerStack<Linear>,
}

impl Growable for Tower {
    fn stacks(&self) -> Vec<&dyn GrowableStack> {
        self.blocks.layers().iter().map(|floor| &floor.inner as _).collect()
    }

    fn stacks_mut(&mut self) -> Vec<&mut dyn GrowableStack> {
        self.blocks.iter_mut().map(|floor| &mut floor.inner as _).collect()
    }
}

trait Run: Growable {
    fn run(&self, x: Tensor<2>) -> Tensor<2>;
}

impl Run for Stages {
    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        self.stages.iter().flatten().fold(x, residual)
    }
}

impl Run for Tower {
    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        self.blocks.iter().flat_map(|floor| &floor.inner).fold(x, residual)
    }
}

fn trained<M: Run>(mut apollo: Apollo<M>, until: u64) -> Apollo<M> {
    let mut optim = adamw();
    while apollo.step_count() < until {
        let x = batch(apollo.step_count(), &device());
        let grads = grads_of(&apollo.model().run(x).powi_scalar(2).mean(), &apollo);
        apollo.update(&mut optim, 0.01, grads).unwrap();
    }
    apollo
}

/// Three stacks that grow on schedules of their own.
fn three() -> Plan {
    let stage = |layers: [usize; 3], until| Stage { layers: layers.to_vec(), until };
    let stages = vec![
        stage([1, 1, 2], Some(Until::Step(3))),
        stage([1, 3, 2], Some(Until::Step(6))),
        stage([2, 6, 4], None),
    ];
    Plan::new(20).with_schedule(Schedule { stages })
}

fn grows_and_resumes<M: Run>(build: impl Fn() -> M) {
    let start = || Apollo::new(build(), three()).unwrap();
    for until in [2, 4, 8] {
        let apollo = trained(start(), until);
        let mut ids: Vec<_> = parameters(apollo.model()).into_values().map(|(id, _)| id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "every parameter has an id of its own");
        let loaded = load_record(start(), record(&apollo));
        let (found, expected) = (parameters(loaded.model()), parameters(apollo.model()));
        assert_eq!(found, expected, "after {until} steps");
        assert_eq!(bits(trained(loaded, 10).model()).len(), 24);
    }
    let full = trained(start(), 8);
    assert_eq!(
        full.registry().stacks.iter().map(|s| s.layers.len()).collect::<Vec<_>>(),
        [2, 6, 4]
    );
    let x = batch(3, &device());
    let depth = full.model().run(x.clone()).into_data();
    assert_eq!(full.into_inner().unwrap().run(x).into_data(), depth);
}

#[test]
fn a_vector_of_stacks() {
    let stack = |layers: usize| (0..layers).map(|_| linear(&device())).collect();
    grows_and_resumes(|| Stages { stages: [2, 6, 4].map(stack).into() });
}

#[test]
fn stacks_inside_the_layers_of_a_stack_that_does_not_grow() {
    let floor = |layers: usize| Floor { inner: (0..layers).map(|_| linear(&device())).collect() };
    grows_and_resumes(|| Tower { blocks: [2, 6, 4].map(floor).into_iter().collect() });
}

/// A model whose stacks come and go.
#[derive(Module, Debug)]
struct Fickle {
    blocks: LayerStack<Linear>,
    more: LayerStack<Linear>,
}

impl Growable for Fickle {
    fn stacks(&self) -> Vec<&dyn GrowableStack> {
        match self.blocks.unique_layers() {
            1 => vec![&self.blocks],
            _ => vec![&self.blocks, &self.more],
        }
    }

    fn stacks_mut(&mut self) -> Vec<&mut dyn GrowableStack> {
        match self.blocks.unique_layers() {
            1 => vec![&mut self.blocks],
            _ => vec![&mut self.blocks, &mut self.more],
        }
    }
}

impl Run for Fickle {
    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        self.blocks.iter().fold(x, residual)
    }
}

#[test]
fn stacks_that_come_and_go_are_an_error() {
    let stack = || (0..2).map(|_| linear(&device())).collect();
    let plan = Plan::new(20).with_schedule(Schedule {
        stages: vec![
            Stage { layers: vec![1, 1], until: Some(Until::Step(2)) },
            Stage { layers: vec![2, 2], until: None },
        ],
    });
    let fickle = Fickle { blocks: stack(), more: stack() };
    let error = Apollo::new(fickle, plan).unwrap_err();
    assert!(error.to_string().contains("named 2 stacks at first and names 1 now"), "{error}");
}

/// Layers of two kinds, in turns.
#[derive(Module, Debug)]
enum Kind {
    Linear(Linear),
    Norm(LayerNorm),
}

#[derive(Module, Debug)]
struct Turns {
    blocks: LayerStack<Kind>,
}

growable!(Turns { blocks });

#[test]
fn copies_go_where_their_kind_belongs_or_nowhere() {
    let turns = || Turns {
        blocks: (0..6)
            .map(|i| match i % 2 {
                0 => Kind::Linear(linear(&device())),
                _ => Kind::Norm(LayerNormConfig::new(WIDTH).init(&device())),
            })
            .collect(),
    };
    let plan = || Plan::new(20).with_sampler(ConstantLow).with_schedule(stages(&[(2, 5)], 6));
    assert!(Apollo::new(turns(), plan().with_expander(Stacking)).is_ok());
    let error = Apollo::new(turns(), plan().with_expander(Interpolation)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("layer 1 of stack 0 would be a copy of layer 0"), "{text}");
    assert!(
        text.contains("built with `Norm.gamma`") && text.contains("has `Linear.weight`"),
        "{text}"
    );
    assert!(text.contains("one stack for each kind"), "{text}");
    // Widths count, too.
    let mut wide: Vec<_> = (0..4).map(|_| linear(&device())).collect();
    wide[3] = LinearConfig::new(WIDTH, 2 * WIDTH).init(&device());
    let stages = Stages { stages: vec![wide.into()] };
    let error = Apollo::new(stages, plan_of_four()).unwrap_err();
    assert!(error.to_string().contains("[6, 12]"), "{error}");
}

fn plan_of_four() -> Plan {
    Plan::new(20).with_schedule(stages(&[(2, 5)], 4))
}

/// A batch norm ends the branch: its scale becomes zero, its statistics do not.
#[derive(Module, Debug)]
struct Normed {
    linear: Linear,
    norm: BatchNorm,
}

#[derive(Module, Debug)]
struct NormedNet {
    blocks: LayerStack<Normed>,
}

growable!(NormedNet { blocks });

impl Run for NormedNet {
    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let block = |x: Tensor<2>, b: &Normed| x.clone() + b.norm.forward(b.linear.forward(x));
        self.blocks.iter().fold(x, block)
    }
}

#[test]
fn statistics_are_never_zeroed() {
    let device = device();
    let block =
        |_| Normed { linear: linear(&device), norm: BatchNormConfig::new(WIDTH).init(&device) };
    let net = NormedNet { blocks: (0..3).map(block).collect() };
    let plan = |names: &[&str]| {
        Plan::new(20)
            .with_sampler(ConstantLow)
            .with_new_layers(NewLayers::zeroed(names.to_vec()))
            .with_schedule(stages(&[(1, 4)], 3))
    };
    let error = Apollo::new(net.clone(), plan(&["norm.running_var"])).unwrap_err();
    // A statistic is no parameter that could be named.
    let known = "there are linear.weight, linear.bias, norm.gamma, norm.beta";
    assert!(error.to_string().ends_with(known), "{error}");
    let before = trained(Apollo::new(net, plan(&["norm"])).unwrap(), 3);
    let outputs = |apollo: &Apollo<NormedNet>| {
        let x = apollo.model().valid().run(batch(9, &device.clone().inner()));
        x.into_data().iter::<f32>().collect::<Vec<f32>>()
    };
    let expected = outputs(&before);
    let inner = before.into_partly_trained().unwrap();
    let (first, copy) = (&inner.blocks.layers()[0].norm, &inner.blocks.layers()[2].norm);
    let zero = |param: &Param<Tensor<1>>| param.val().abs().max().into_scalar::<f32>() == 0.0;
    assert!(zero(&copy.gamma) && zero(&copy.beta) && !zero(&first.gamma));
    assert_eq!(copy.running_var.value().into_data(), first.running_var.value().into_data());
    let x = inner.valid().run(batch(9, &device.inner()));
    assert_eq!(x.into_data().iter::<f32>().collect::<Vec<f32>>(), expected);
}
