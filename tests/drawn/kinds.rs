//! Kinds of layers, each held to one contract: `support/kind.rs`.

use burn::module::{Lora, Module, Param, QLora, Quantizer};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig,
};
use burn::tensor::activation::softmax;
use burn::tensor::quantization::{Calibration, QuantScheme, QuantValue};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_apollo::depth::ConstantLow;
use burn_apollo::expand::{NewLayers, Stacking};
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, apollo::ApolloError};

use crate::kind::{Kind, Model, contract, step_of, turn};
use crate::support::{WIDTH, adamw, batch, device, stages};

fn linear(inputs: usize, outputs: usize, device: &Device) -> Linear {
    LinearConfig::new(inputs, outputs).init(device)
}

/// A layer with state of its own: running statistics.
#[derive(Module, Debug)]
struct Normed {
    linear: Linear,
    norm: BatchNorm,
}

impl Kind for Normed {
    fn new(_index: usize, device: &Device) -> Self {
        let norm = BatchNormConfig::new(WIDTH).init(device);
        Self { linear: linear(WIDTH, WIDTH, device), norm }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.norm.forward(self.linear.forward(x)).tanh()
    }
}

#[test]
fn running_statistics() {
    contract::<Normed>();
}

/// Layers of unequal types, in turns.
#[derive(Module, Debug)]
enum Mixed {
    Wide(Wide),
    Narrow(Narrow),
}

#[derive(Module, Debug)]
struct Wide {
    up: Linear,
    down: Linear,
}

#[derive(Module, Debug)]
struct Narrow {
    norm: LayerNorm,
    linear: Linear,
}

impl Kind for Mixed {
    fn new(index: usize, device: &Device) -> Self {
        match index % 2 {
            0 => Self::Wide(Wide {
                up: linear(WIDTH, 2 * WIDTH, device),
                down: linear(2 * WIDTH, WIDTH, device),
            }),
            _ => Self::Narrow(Narrow {
                norm: LayerNormConfig::new(WIDTH).init(device),
                linear: linear(WIDTH, WIDTH, device),
            }),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone()
            + match self {
                Self::Wide(wide) => wide.down.forward(wide.up.forward(x).tanh()),
                Self::Narrow(narrow) => narrow.linear.forward(narrow.norm.forward(x)),
            }
    }
}

#[test]
fn layers_of_unequal_types() {
    contract::<Mixed>();
}

/// A mixture of experts: each row goes to the expert that the router prefers.
#[derive(Module, Debug)]
struct Experts {
    router: Linear,
    experts: Vec<Linear>,
}

impl Kind for Experts {
    fn new(_index: usize, device: &Device) -> Self {
        let experts = (0..3).map(|_| linear(WIDTH, WIDTH, device)).collect();
        Self { router: linear(WIDTH, 3, device), experts }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let gates = softmax(self.router.forward(x.clone()), 1);
        let top = gates.clone().equal(gates.clone().max_dim(1).expand(gates.dims()));
        let gates = gates * top.float();
        let gate = |i: usize| gates.clone().narrow(1, i, 1);
        let routed = self.experts.iter().enumerate().map(|(i, e)| e.forward(x.clone()) * gate(i));
        routed.fold(x.clone(), |x, y| x + y)
    }
}

#[test]
fn a_router_and_its_experts() {
    contract::<Experts>();
}

/// Frozen weights with Burn's low-rank adapters.
#[derive(Module, Debug)]
struct Adapted {
    linear: Linear,
}

impl Kind for Adapted {
    fn new(_index: usize, device: &Device) -> Self {
        Self { linear: linear(WIDTH, WIDTH, device) }.apply_lora(Lora::new(2, 4.0))
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.linear.forward(x).tanh()
    }
}

#[test]
fn adapters_on_frozen_weights() {
    contract::<Adapted>();
}

/// The same over quantised weights.
#[derive(Module, Debug)]
struct Quantised {
    linear: Linear,
}

fn quantizer(device: &Device) -> Quantizer {
    let scheme: QuantScheme = device.settings().quantization.scheme.with_value(QuantValue::Q8S);
    Quantizer::new(Calibration::MinMax, scheme)
}

impl Kind for Quantised {
    fn new(_index: usize, device: &Device) -> Self {
        let adapters = QLora::new(Lora::new(2, 4.0), quantizer(device));
        Self { linear: linear(WIDTH, WIDTH, device) }.apply_qlora(adapters)
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.linear.forward(x).tanh()
    }
}

#[test]
fn adapters_on_quantised_weights() {
    contract::<Quantised>();
}

/// Quantised weights alone: nothing of the layer is trained.
#[derive(Module, Debug)]
struct Packed {
    linear: Linear,
}

impl Kind for Packed {
    fn new(_index: usize, device: &Device) -> Self {
        let layer = Self { linear: linear(WIDTH, WIDTH, device) }.freeze();
        layer.quantize_weights(&mut quantizer(device))
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.linear.forward(x).tanh()
    }
}

#[test]
fn quantised_weights() {
    contract::<Packed>();
}

/// Parameters without gradients of every type.
#[derive(Module, Debug)]
struct Masked {
    linear: Linear,
    frozen: Param<Tensor<1>>,
    mask: Param<Tensor<1, Bool>>,
    shift: Param<Tensor<1, Int>>,
}

impl Kind for Masked {
    fn new(index: usize, device: &Device) -> Self {
        let mask: Vec<bool> = (0..WIDTH).map(|i| (i + index).is_multiple_of(3)).collect();
        let shift: Vec<i32> = (0..WIDTH as i32).map(|i| i - index as i32).collect();
        let constant = |id: u64| (id + 10 * index as u64).into();
        Self {
            linear: linear(WIDTH, WIDTH, device),
            frozen: Param::from_data([0.5; WIDTH], device).set_require_grad(false),
            mask: Param::initialized(constant(1), Tensor::from_data(mask.as_slice(), device)),
            shift: Param::initialized(constant(2), Tensor::from_data(shift.as_slice(), device)),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = self.linear.forward(x.clone()) * self.frozen.val().unsqueeze();
        let y = y + self.shift.val().float().unsqueeze() * 0.01;
        let mask = self.mask.val().unsqueeze::<2>().expand(y.dims());
        x + y.mask_fill(mask, 0.0)
    }
}

#[test]
fn parameters_without_gradients() {
    contract::<Masked>();
}

/// What is drawn on the way: the same for the same seed of the device.
#[derive(Module, Debug)]
struct Noisy {
    linear: Linear,
    dropout: Dropout,
}

impl Kind for Noisy {
    fn new(_index: usize, device: &Device) -> Self {
        let dropout = DropoutConfig::new(0.4).init();
        Self { linear: linear(WIDTH, WIDTH, device), dropout }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.dropout.forward(self.linear.forward(x).tanh())
    }
}

#[test]
fn dropout() {
    contract::<Noisy>();
}

/// A stack inside a layer, which stays as it was built.
#[derive(Module, Debug)]
struct Nested {
    inner: LayerStack<Linear>,
}

impl Kind for Nested {
    fn new(_index: usize, device: &Device) -> Self {
        Self { inner: (0..2).map(|_| linear(WIDTH, WIDTH, device)).collect() }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.inner.iter().fold(x, |x, linear| x.clone() + linear.forward(x).tanh())
    }
}

#[test]
fn a_stack_inside_a_layer() {
    contract::<Nested>();
}

/// The effective weight of an adapted layer is zero when its frozen base and one factor of its adapter are.
#[test]
fn adapted_and_mixed_layers_begin_as_the_identity() {
    let _turn = turn();
    begins_as_the_identity::<Adapted>(&["linear.weight", "linear.bias", "lora.b"]);
    begins_as_the_identity::<Mixed>(&["down", "Narrow.linear"]);
    begins_as_the_identity::<Experts>(&["experts"]);
    // A layer of one kind that no name means, and a parameter that cannot be made zero.
    let error = refused::<Mixed>(&["down"]);
    assert!(error.contains("none of the names is a parameter of layer 1 of stack 0"), "{error}");
    let error = refused::<Packed>(&["linear.weight"]);
    let quantised = "`linear.weight` means the quantised parameter `linear.weight`";
    assert!(error.contains(quantised), "{error}");
}

fn planned<L: Kind>(names: &[&str]) -> Result<Apollo<Model<L>>, ApolloError> {
    let plan = Plan::new(20)
        .with_sampler(ConstantLow)
        .with_expander(Stacking)
        .with_schedule(stages(&[(2, 4)], 6))
        .with_new_layers(NewLayers::zeroed(names.to_vec()));
    Apollo::new(Model::<L>::new(6, &device()), plan)
}

fn begins_as_the_identity<L: Kind>(names: &[&str]) {
    let mut apollo = planned::<L>(names).unwrap();
    let mut optim = adamw();
    for _ in 0..3 {
        step_of(&mut apollo, &mut optim);
    }
    let output = |model: &Model<L>| model.forward(batch(8, &device()));
    let before = output(apollo.model());
    let inner = apollo.into_partly_trained().unwrap();
    assert_eq!(inner.blocks.depth(), 6);
    let gap = (output(&inner) - before).abs().max().into_scalar::<f32>();
    assert!(gap <= 1e-6, "{names:?}: {gap}");
}

fn refused<L: Kind>(names: &[&str]) -> String {
    planned::<L>(names).map(|_| ()).unwrap_err().to_string()
}
