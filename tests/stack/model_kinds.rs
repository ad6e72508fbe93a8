//! Kinds of models: several stacks, stacks in stacks, layers of several kinds; and what is refused.

mod support;

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use burn_apollo::depth::ConstantLow;
use burn_apollo::expand::{Interpolation, NewLayers, Stacking};
use burn_apollo::schedule::{Schedule, Stage, Until};
use burn_apollo::stack::{Growable, GrowableStack, LayerStack, ParamKind, StackError};
use burn_apollo::{Apollo, ApolloConfig, ApolloError};
use support::{WIDTH, adamw, batch, bits, device, parameters, stages};

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
    fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
        self.stages.iter_mut().map(|stack| stack as &mut dyn GrowableStack).collect()
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
    fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
        self.blocks
            .layers_mut()
            .iter_mut()
            .map(|f| &mut f.inner as &mut dyn GrowableStack)
            .collect()
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
        let loss = apollo.run(batch(apollo.step_count(), &device())).powi_scalar(2).mean();
        let grads = GradientsParams::from_grads(loss.backward(), &apollo);
        apollo = apollo.optimize(&mut optim, 0.01, grads);
        apollo.growth().unwrap();
    }
    apollo
}

/// Three stacks that grow on schedules of their own.
fn three() -> ApolloConfig {
    let stage = |layers: [usize; 3], until| Stage { layers: layers.to_vec(), until };
    let stages = vec![
        stage([1, 1, 2], Some(Until::Step(3))),
        stage([1, 3, 2], Some(Until::Step(6))),
        stage([2, 6, 4], None),
    ];
    ApolloConfig::new(20).with_schedule(Schedule { stages })
}

fn grows_and_resumes<M: Run>(build: impl Fn() -> M) {
    let start = || Apollo::new(build(), three()).unwrap();
    for until in [2, 4, 8] {
        let apollo = trained(start(), until);
        let mut ids: Vec<_> = parameters(&apollo).into_values().map(|(id, _)| id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "every parameter has an id of its own");
        let loaded = start().load_record(apollo.clone().into_record());
        assert_eq!(parameters(&loaded), parameters(&apollo), "after {until} steps");
        assert_eq!(bits(&trained(loaded, 10)).len(), 24);
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
    fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
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
    let config = ApolloConfig::new(20).with_schedule(Schedule {
        stages: vec![
            Stage { layers: vec![1, 1], until: Some(Until::Step(2)) },
            Stage { layers: vec![2, 2], until: None },
        ],
    });
    let error = Apollo::new(Fickle { blocks: stack(), more: stack() }, config).unwrap_err();
    assert!(matches!(error, ApolloError::Stack(StackError::StacksChanged { before: 2, now: 1 })));
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

impl Growable for Turns {
    fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
        vec![&mut self.blocks]
    }
}

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
    let config =
        || ApolloConfig::new(20).with_sampler(ConstantLow).with_schedule(stages(&[(2, 5)], 6));
    assert!(Apollo::new(turns(), config().with_expander(Stacking)).is_ok());
    let error = Apollo::new(turns(), config().with_expander(Interpolation)).unwrap_err();
    let text = error.to_string();
    let ApolloError::Stack(StackError::Unlike { stack, layer, source_layer, built, copied }) =
        error
    else {
        panic!("{text}")
    };
    assert_eq!((stack, layer, source_layer), (0, 1, 0));
    assert!(built.contains("Norm.gamma") && copied.contains("Linear.weight"), "{built} {copied}");
    assert!(text.contains("one stack for each kind"), "{text}");
    // Widths count, too.
    let mut wide: Vec<_> = (0..4).map(|_| linear(&device())).collect();
    wide[3] = LinearConfig::new(WIDTH, 2 * WIDTH).init(&device());
    let stages = Stages { stages: vec![wide.into()] };
    let error = Apollo::new(stages, config_of_four()).unwrap_err();
    assert!(error.to_string().contains("[6, 12]"), "{error}");
}

fn config_of_four() -> ApolloConfig {
    ApolloConfig::new(20).with_schedule(stages(&[(2, 5)], 4))
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

impl Growable for NormedNet {
    fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
        vec![&mut self.blocks]
    }
}

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
    let kinds = |stack: &LayerStack<Normed>| -> Vec<_> {
        stack.layer_params()[0].iter().map(|p| (p.path.clone(), p.kind)).collect()
    };
    assert!(kinds(&net.blocks).contains(&("norm.running_var".into(), ParamKind::Statistic)));
    let config = |names: &[&str]| {
        ApolloConfig::new(20)
            .with_sampler(ConstantLow)
            .with_new_layers(NewLayers::zeroed(names.to_vec()))
            .with_schedule(stages(&[(1, 4)], 3))
    };
    let error = Apollo::new(net.clone(), config(&["norm.running_var"])).unwrap_err();
    assert!(matches!(error, ApolloError::Stack(StackError::UnknownName { .. })), "{error}");
    let before = trained(Apollo::new(net, config(&["norm"])).unwrap(), 3);
    let outputs = |apollo: &Apollo<NormedNet>| {
        let x = apollo.valid().run(batch(9, &device.clone().inner()));
        x.into_data().iter::<f32>().collect::<Vec<f32>>()
    };
    let expected = outputs(&before);
    let inner = before.clone().into_inner().unwrap();
    let (first, copy) = (&inner.blocks.layers()[0].norm, &inner.blocks.layers()[2].norm);
    let zero = |param: &Param<Tensor<1>>| param.val().abs().max().into_scalar::<f32>() == 0.0;
    assert!(zero(&copy.gamma) && zero(&copy.beta) && !zero(&first.gamma));
    assert_eq!(copy.running_var.value().into_data(), first.running_var.value().into_data());
    let x = inner.valid().run(batch(9, &device.inner()));
    assert_eq!(x.into_data().iter::<f32>().collect::<Vec<f32>>(), expected);
}
