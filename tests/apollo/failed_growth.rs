//! A growth happens as a whole or not at all, whatever fails in it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use burn_apollo::depth::ConstantLow;
use burn_apollo::expand::{Expander, ExpanderConfig, Interpolation, LayerMap};
use burn_apollo::optim::{MomentOrders, MomentPolicy};
use burn_apollo::plan::PlanError;
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, apollo::ApolloError, growable};
use burn_pack::Reader;
use serde::Serialize;

use crate::support::{
    adamw, bits, chain, grads_of, load_record, parameters, record, stages, train_step, try_step,
};

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
fn fails(plan: Plan, begun: impl FnOnce(), words: &str) {
    let schedule = |end| stages(&[(2, end)], 4);
    let mut model = crate::support::apollo(4, plan.with_schedule(schedule(5)));
    let later = crate::support::apollo(4, self::plan().with_schedule(schedule(15)));
    begun();
    let mut control = load_record(later, record(&model));
    let (mut optim, mut control_optim) = (adamw(), adamw());
    for _ in 0..4 {
        train_step(&mut model, &mut optim, 0.01);
    }
    let error = try_step(&mut model, &mut optim, 0.01).1.unwrap_err();
    for _ in 0..5 {
        train_step(&mut control, &mut control_optim, 0.01);
    }
    assert!(matches!(&error, ApolloError::Growth { stage: 1, step: 5, .. }), "{error}");
    let error = chain(&error);
    assert!(error.contains(words), "{error} should contain {words}");
    assert_eq!((model.stage(), model.unique_layers(), model.step_count()), (0, 2, 5));
    let of = |run: &Apollo<_>| parameters(run.model());
    assert_eq!(of(&model), of(&control), "the parameters and their ids");
    assert_eq!(state(&optim), state(&control_optim), "the optimizer's state");
    for _ in 0..3 {
        // The schedule asks for the growth again at every step.
        let (loss, again) = try_step(&mut model, &mut optim, 0.01);
        assert!(matches!(again, Err(ApolloError::Growth { stage: 1, .. })));
        let (expected, _) = train_step(&mut control, &mut control_optim, 0.01);
        assert_eq!(loss, expected, "the run can go on in its stage");
    }
    assert_eq!(of(&model), of(&control));
}

fn plan() -> Plan {
    Plan::new(20).with_sampler(ConstantLow)
}

/// Maps as it should until it turns.
#[derive(Debug, Clone, Default, Serialize)]
struct Turning {
    #[serde(skip)]
    turned: Arc<AtomicBool>,
}

impl Expander for Turning {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError> {
        match self.turned.load(Ordering::SeqCst) {
            true => LayerMap::new(2, vec![0, 1, 1]),
            false => Interpolation.map(source, target),
        }
    }
}

#[test]
fn an_expander_that_answers_wrongly() {
    let expander = Turning::default();
    let turn = expander.turned.clone();
    let plan = plan().with_expander(ExpanderConfig::custom("turning", expander).unwrap());
    fails(plan, || turn.store(true, Ordering::SeqCst), "answered with 2 → 3");
}

#[test]
fn an_optimizer_whose_state_cannot_be_carried_over() {
    let orders = MomentOrders::none();
    let plan = plan().with_moments(MomentPolicy::Scaled).with_moment_orders(orders);
    fails(plan, || {}, "moment_1");
}

#[derive(Module, Debug)]
struct Outer {
    input: Linear,
    blocks: LayerStack<Linear>,
}

growable!(Outer { blocks });

impl Outer {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.blocks.iter().fold(self.input.forward(x), |x, block| block.forward(x))
    }
}

/// An initialiser that panics, as an allocation does where memory is short: the panic is the caller's.
#[test]
fn memory_that_is_short() {
    let device = Device::flex().autodiff();
    let (made, on) = (Arc::new(AtomicUsize::new(0)), device.clone());
    let count = made.clone();
    let blocks = LayerStack::from_fn(4, move |_| match count.fetch_add(1, Ordering::SeqCst) {
        6.. => panic!("out of memory"),
        _ => LinearConfig::new(4, 4).init(&on),
    });
    let plan = Plan::new(20).with_schedule(stages(&[(0, 2)], 4));
    let mut apollo =
        Apollo::new(Outer { input: LinearConfig::new(4, 4).init(&device), blocks }, plan).unwrap();
    let mut optim = adamw();
    let mut panics = Vec::new();
    for _ in 0..3 {
        let loss = apollo.model().forward(Tensor::ones([2, 4], &device)).powi_scalar(2).mean();
        let before = bits(apollo.model());
        let grads = grads_of(&loss, &apollo);
        let update = AssertUnwindSafe(|| apollo.update(&mut optim, 0.01, grads).unwrap());
        panics.extend(catch_unwind(update).err());
        assert_ne!(bits(apollo.model()), before, "the update itself is made");
    }
    assert_eq!(panics.len(), 2, "the growth is tried again");
    assert_eq!(made.load(Ordering::SeqCst), 8, "the third of four layers, then the first");
    assert_eq!(panics[0].downcast_ref(), Some(&"out of memory"));
    assert_eq!((apollo.unique_layers(), apollo.stage(), state(&optim).len()), (0, 0, 4));
    assert_eq!(apollo.step_count(), 3);
}
