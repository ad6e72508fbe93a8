//! New layers that are copies with noise.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Distribution, Tensor};
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::depth::ConstantLow;
use burn_apollo::expand::NewLayers;
use burn_apollo::stack::LayerStack;
use burn_apollo::{Apollo, Plan, apollo::GrowthRequest, growable};

use crate::kind::turn;
use crate::support::{Block, Net, adamw, bits, device, stages, state, train};

/// 2 layers until step 4, then 6: layers 0 and 3 are the old ones.
fn plan(new_layers: NewLayers) -> Plan {
    Plan::new(10)
        .with_schedule(stages(&[(2, 4)], 6))
        .with_sampler(ConstantLow)
        .with_new_layers(new_layers)
        .with_seed(7)
}

fn noisy(std: f64) -> Plan {
    plan(NewLayers::Noisy { std })
}

/// A run whose layers' biases are not trained.
fn run(plan: Plan, steps: u64) -> (Apollo<Net>, ModuleOptimizer) {
    let mut net = Net::new(6, &device());
    net.blocks.layers_mut().iter_mut().for_each(|block| block.freeze_bias());
    let mut optim = adamw();
    (train(Apollo::new(net, plan).unwrap(), &mut optim, steps), optim)
}

fn floats(bits: &[u32]) -> Vec<f64> {
    bits.iter().map(|bits| f64::from(f32::from_bits(*bits))).collect()
}

fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64).sqrt()
}

#[test]
fn further_copies_differ_by_as_much_as_was_said() {
    let _turn = turn();
    let (copies, _) = run(plan(NewLayers::Copies), 4);
    let (noisy_run, _) = run(noisy(0.1), 4);
    let (copies, found) = (bits(copies.model()), bits(noisy_run.model()));
    assert_eq!(copies.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    let mut sizes = Vec::new();
    for (path, found) in &found {
        let noisy = ["1", "2", "4", "5"].map(|l| format!("blocks.{l}.linear.weight"));
        if !noisy.contains(path) {
            assert_eq!(found, &copies[path], "{path}");
            continue;
        }
        let (found, source) = (floats(found), floats(&copies[path]));
        let noise: Vec<f64> = found.iter().zip(&source).map(|(a, b)| a - b).collect();
        sizes.push(rms(&noise) / rms(&source));
    }
    assert_eq!(sizes.len(), 4);
    let mean = sizes.iter().sum::<f64>() / 4.0;
    assert!((mean - 0.1).abs() < 0.02 && sizes[0] != sizes[1], "{sizes:?}");
}

#[test]
fn the_noise_is_the_plan_s_and_not_the_device_s() {
    let _turn = turn();
    let of = |plan: Plan, device_seed: u64| -> BTreeMap<String, Vec<u32>> {
        let plan = plan.with_step_seeds(false);
        let (run, mut optim) = run(plan, 3);
        device().seed(device_seed);
        bits(train(run, &mut optim, 1).model())
    };
    assert_eq!(of(noisy(0.1), 1), of(noisy(0.1), 2));
    assert_ne!(of(noisy(0.1), 1), of(noisy(0.1).with_seed(8), 1));
    // A growth leaves the device's generator where it was.
    let drawn = |new_layers: NewLayers| {
        let (run, mut optim) = run(plan(new_layers).with_step_seeds(false), 3);
        device().seed(1);
        train(run, &mut optim, 1);
        Tensor::<1>::random([4], Distribution::Default, &device()).into_data()
    };
    assert_eq!(drawn(NewLayers::Noisy { std: 0.1 }), drawn(NewLayers::Copies));
}

/// Two stacks that begin alike.
#[derive(Module, Debug)]
struct Two {
    first: LayerStack<Block>,
    second: LayerStack<Block>,
}

growable!(Two { first, second });

#[test]
fn equal_layers_get_noise_of_their_own() {
    let _turn = turn();
    let (first, second) = (Net::new(6, &device()).blocks, Net::new(6, &device()).blocks);
    let mut run = Apollo::new(Two { first, second }, noisy(0.1)).unwrap();
    run.grow(&mut adamw(), &GrowthRequest::next()).unwrap();
    let found = bits(run.model());
    let weight = |layer: &str| &found[&format!("{layer}.linear.weight")];
    assert_eq!(weight("first.0"), weight("second.0"));
    for (layer, other) in [("first.1", "second.1"), ("first.1", "first.2")] {
        assert_ne!(weight(layer), weight(other), "{layer} and {other}");
    }
}

/// The optimizer state of noisy copies is that of copies.
#[test]
fn optimizer_state_goes_on() {
    let _turn = turn();
    assert_eq!(state(&run(noisy(0.1), 4).1), state(&run(plan(NewLayers::Copies), 4).1));
}

#[test]
fn a_resumed_run_goes_on_with_the_same_bits() {
    let _turn = turn();
    let (whole, whole_optim) = run(noisy(0.3), 10);
    for stop in [3, 4, 7] {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(dir.path(), Retention::default()).unwrap();
        let (stopped, optim) = run(noisy(0.3), stop);
        let scheduler = || stopped.plan().lr.scheduler(0.01, 10).unwrap();
        store.save(Snapshot::new(&stopped, &optim, &scheduler()).unwrap()).unwrap();
        let set = store.latest_good().unwrap().unwrap().set;
        let (resumed, mut optim, _) = set.load(run(noisy(0.3), 0).0, adamw(), scheduler()).unwrap();
        let resumed = train(resumed, &mut optim, 10 - stop);
        assert_eq!(bits(resumed.model()), bits(whole.model()), "stopped before {stop}");
        assert_eq!(state(&optim), state(&whole_optim), "stopped before {stop}");
    }
}

#[test]
fn noise_has_a_size() {
    for std in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let error = noisy(std).check(&[6]).unwrap_err().to_string();
        assert!(error.contains("`new_layers.noisy.std` must be finite and above 0"), "{error}");
    }
    let text = "steps = 9\nnew_layers = { noisy = { std = 0.1 } }";
    let read: Plan = toml::from_str(text).unwrap();
    assert_eq!(read, Plan::new(9).with_new_layers(NewLayers::Noisy { std: 0.1 }));
}
