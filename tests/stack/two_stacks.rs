//! A model with two stacks of different depths on one clock.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_apollo::depth::draw;
use burn_apollo::schedule::{Schedule, Stage, Until};
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, growable};

use crate::support::{WIDTH, adamw, batch, device, grads_of, load_record, parameters, record};

#[derive(Module, Debug)]
struct Pair {
    encoder: LayerStack<Linear>,
    decoder: LayerStack<Linear>,
    head: Linear,
}

growable!(Pair { encoder, decoder });

impl Pair {
    fn new(device: &Device) -> Self {
        let linear = |device: &Device| LinearConfig::new(WIDTH, WIDTH).init(device);
        let (one, two) = (device.clone(), device.clone());
        Self {
            encoder: LayerStack::from_fn(8, move |_| linear(&one)),
            decoder: LayerStack::from_fn(4, move |_| linear(&two)),
            head: linear(device),
        }
    }

    fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let step = |x: Tensor<2>, layer: &Linear| x.clone() + layer.forward(x).tanh();
        let x = self.encoder.iter().fold(x, step);
        let x = self.decoder.iter().fold(x, step);
        self.head.forward(x).powi_scalar(2).mean()
    }
}

fn plan() -> Plan {
    let stage =
        |layers: [usize; 2], end| Stage { layers: layers.to_vec(), until: Some(Until::Step(end)) };
    // The decoder begins without layers, gets all of its own first, and waits for the encoder.
    let stages = vec![stage([2, 0], 4), stage([2, 4], 8), stage([4, 4], 12), stage([8, 4], 16)];
    Plan::new(16).with_schedule(Schedule { stages }).with_seed(6)
}

fn train(mut apollo: Apollo<Pair>, until: u64) -> Apollo<Pair> {
    let mut optim = adamw();
    while apollo.step_count() < until {
        let step = apollo.step_count();
        for (stack, pmf) in (0..).zip(apollo.pmfs()) {
            assert_eq!(apollo.depths()[usize::from(stack)], draw(pmf, 6, step, 0, stack));
        }
        let model = apollo.model();
        assert_eq!(apollo.depths(), [model.encoder.depth(), model.decoder.depth()]);
        let depths = apollo.depths().to_vec();
        let grads = grads_of(&model.loss(batch(step, &device())), &apollo);
        let report = apollo.update(&mut optim, 0.01, grads).unwrap();
        assert_eq!(report.depths, depths);
    }
    apollo
}

#[test]
fn stacks_grow_on_their_own_schedules_by_one_clock() {
    let start = Apollo::new(Pair::new(&device()), plan()).unwrap();
    assert_eq!((start.unique_layers(), start.depths()[1]), (2, 0));
    let layers = |apollo: &Apollo<Pair>| {
        (apollo.model().encoder.layers().len(), apollo.model().decoder.layers().len())
    };
    let second = train(start, 5);
    assert_eq!(layers(&second), (2, 4));
    let third = train(second, 9);
    assert_eq!(layers(&third), (4, 4));

    let registry = third.registry();
    let sources = |stack: usize| -> Vec<_> {
        registry.stacks[stack].layers.iter().map(|l| (l.stage, l.copied_from)).collect()
    };
    assert_eq!(sources(0), [(0, None), (2, Some(0)), (0, None), (2, Some(2))]);
    assert_eq!(sources(1), [(1, None); 4]);

    let loaded = Apollo::new(Pair::new(&device()), plan()).unwrap();
    let loaded = load_record(loaded, record(&third));
    assert_eq!(parameters(loaded.model()), parameters(third.model()));
    assert_eq!((loaded.depths(), loaded.registry()), (third.depths(), registry));

    let inner = train(third, 13).into_inner().unwrap();
    assert_eq!((inner.encoder.depth(), inner.decoder.depth()), (8, 4));
}

#[test]
fn a_depth_that_one_stack_cannot_run_at_is_refused() {
    let mut apollo = Apollo::new(Pair::new(&device()), plan()).unwrap();
    let error = apollo.set_depth(3).unwrap_err().to_string();
    assert!(error.contains("stack 1"), "a stack without layers runs at depth 0 alone: {error}");
}
