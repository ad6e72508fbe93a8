//! A growth happens as a whole or not at all, whatever fails in it.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_apollo::depth::ConstantLow;
use burn_apollo::expand::{ExpandError, Expander, Interpolation, LayerMap};
use burn_apollo::optim::{MomentOrders, MomentPolicy};
use burn_apollo::stack::{Growable, GrowableStack, LayerStack};
use burn_apollo::{Apollo, ApolloConfig, ApolloError};
use burn_pack::Reader;
use support::{adamw, bits, parameters, stages, train_step};

/// The optimizer's state by name.
fn state(optim: &ModuleOptimizer) -> BTreeMap<String, Vec<u8>> {
    let reader = Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let entry = |tensor: burn_pack::Tensor| {
        let (name, _, _, _, bytes) = tensor.into_parts().unwrap();
        (name, bytes.to_vec())
    };
    reader.into_tensors().unwrap().into_iter().map(entry).collect()
}

/// Trains a run whose growth before step 5 fails. Parameters and optimizer must be as the update left them: as in a
/// clone whose growth comes later.
fn fails(config: ApolloConfig, begun: impl FnOnce(), words: &str) {
    let schedule = |end| stages(&[(2, end)], 4);
    let mut model = support::apollo(4, config.with_schedule(schedule(5)));
    let later = support::apollo(4, self::config().with_schedule(schedule(15)));
    begun();
    let mut control = later.load_record(model.clone().into_record());
    let (mut optim, mut control_optim) = (adamw(), adamw());
    for _ in 0..5 {
        (model, _) = train_step(model, &mut optim, 0.01);
        (control, _) = train_step(control, &mut control_optim, 0.01);
    }
    let error = model.growth().unwrap_err();
    assert!(matches!(&*error, ApolloError::Growth { stage: 1, step: 5, .. }), "{error}");
    assert!(error.to_string().contains(words), "{error} should contain {words}");
    assert_eq!((model.stage(), model.unique_layers(), model.step_count()), (0, 2, 5));
    assert_eq!(parameters(&model), parameters(&control), "the parameters and their ids");
    assert_eq!(state(&optim), state(&control_optim), "the optimizer's state");
    for _ in 0..3 {
        let (loss, expected);
        (model, loss) = train_step(model, &mut optim, 0.01);
        (control, expected) = train_step(control, &mut control_optim, 0.01);
        assert_eq!(loss, expected, "the run can go on in its stage");
    }
}

fn config() -> ApolloConfig {
    ApolloConfig::new(20).with_sampler(ConstantLow)
}

/// Maps as it should until it turns.
#[derive(Debug, Clone, Default)]
struct Turning(Arc<AtomicBool>);

impl Expander for Turning {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, ExpandError> {
        match self.0.load(Ordering::SeqCst) {
            true => LayerMap::new(2, vec![0, 1, 1]),
            false => Interpolation.map(source, target),
        }
    }
}

#[test]
fn an_expander_that_answers_wrongly() {
    let expander = Turning::default();
    let turn = expander.0.clone();
    let config = config().with_expander(expander);
    fails(config, || turn.store(true, Ordering::SeqCst), "answered with 2 → 3");
}

#[test]
fn an_optimizer_whose_state_cannot_be_carried_over() {
    let orders = MomentOrders::none();
    let config = config().with_moments(MomentPolicy::Scaled).with_moment_orders(orders);
    fails(config, || {}, "moment_1");
}

#[derive(Module, Debug)]
struct Outer {
    input: Linear,
    blocks: LayerStack<Linear>,
}

impl Growable for Outer {
    fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
        vec![&mut self.blocks]
    }
}

impl Outer {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.blocks.iter().fold(self.input.forward(x), |x, block| block.forward(x))
    }
}

/// An initialiser that panics, as an allocation does where memory is short.
#[test]
fn memory_that_is_short() {
    let device = Device::flex().autodiff();
    let (made, on) = (Arc::new(AtomicUsize::new(0)), device.clone());
    let count = made.clone();
    let blocks = LayerStack::from_fn(4, move |_| match count.fetch_add(1, Ordering::SeqCst) {
        6.. => panic!("out of memory"),
        _ => LinearConfig::new(4, 4).init(&on),
    });
    let config = ApolloConfig::new(20).with_schedule(stages(&[(0, 2)], 4));
    let mut apollo =
        Apollo::new(Outer { input: LinearConfig::new(4, 4).init(&device), blocks }, config)
            .unwrap();
    let mut optim = adamw();
    for _ in 0..3 {
        let loss = apollo.forward(Tensor::ones([2, 4], &device)).powi_scalar(2).mean();
        let grads = GradientsParams::from_grads(loss.backward(), &apollo);
        let before = (bits(&apollo), state(&optim).len());
        apollo = apollo.optimize(&mut optim, 0.01, grads);
        assert_ne!(bits(&apollo), before.0, "the update itself is made");
    }
    assert_eq!(made.load(Ordering::SeqCst), 7, "the third of four layers could not be made");
    let error = apollo.growth().unwrap_err().to_string();
    assert!(error.contains("before step 2 failed: panicked: out of memory"), "{error}");
    assert_eq!((apollo.unique_layers(), apollo.stage(), state(&optim).len()), (0, 0, 4));
}
