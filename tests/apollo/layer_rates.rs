//! Learning rates of layers by their age, through growths and resumes.

use std::collections::BTreeMap;

use burn::optim::{ModuleOptimizer, SgdConfig};
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::depth::ConstantLow;
use burn_apollo::plan::PlanError;
use burn_apollo::recipe::{Recipe, Setting};
use burn_apollo::schedule::LayerRates;
use burn_apollo::{Apollo, Plan, apollo::ApolloError};

use crate::support::{
    Net, adamw, apollo, batch, bits, device, grads_of, stages, state, train, train_step,
};

/// 1 layer until step 3, 2 until step 6, then 4: the first is the oldest, the third came with the first growth.
fn plan(factors: &[f64]) -> Plan {
    Plan::new(12)
        .with_schedule(stages(&[(1, 3), (2, 6)], 4))
        .with_layer_rates(LayerRates::ByAge(factors.to_vec()))
}

fn run(factors: &[f64], steps: u64) -> (Apollo<Net>, ModuleOptimizer) {
    let mut optim = adamw();
    let run = train(apollo(4, plan(factors)), &mut optim, steps);
    (run, optim)
}

#[test]
fn old_layers_are_frozen_and_new_ones_train() {
    let (mut run, mut optim) = run(&[1.0, 0.0], 6);
    assert_eq!(run.layer_lr_factors(), [[0.0, 1.0, 0.0, 1.0]]);
    let (before, of_old) = (bits(run.model()), moments(&optim, &run, 0));
    train_step(&mut run, &mut optim, 0.01);
    for (path, bits) in bits(run.model()) {
        let old = path.starts_with("blocks.0.") || path.starts_with("blocks.2.");
        assert_eq!(bits == before[&path], old, "{path}");
    }
    assert_eq!(moments(&optim, &run, 0), of_old, "nor does its state change");
}

/// The optimizer's numbers of a layer.
fn moments(optim: &ModuleOptimizer, run: &Apollo<Net>, layer: usize) -> Vec<(String, Vec<u8>)> {
    let params = &run.registry().stacks[0].layers[layer].params;
    let ids: Vec<String> = params.iter().map(|param| format!("{}.", param.id)).collect();
    let reader = burn_pack::Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let mut found = Vec::new();
    for tensor in reader.into_tensors().unwrap() {
        let (name, _, _, _, bytes) = tensor.into_parts().unwrap();
        if ids.iter().any(|id| name.starts_with(id)) {
            found.push((name, bytes.to_vec()));
        }
    }
    assert!(!found.is_empty());
    found.sort();
    found
}

#[test]
fn factors_go_by_age() {
    let of = |factors: &[f64], steps| run(factors, steps).0.layer_lr_factors();
    let factors = [1.0, 0.5, 0.1];
    assert_eq!(of(&factors, 2), [[1.0]]);
    assert_eq!(of(&factors, 3), [[0.5, 1.0]]);
    assert_eq!(of(&factors, 6), [[0.1, 1.0, 0.5, 1.0]]);
    assert_eq!(of(&[1.0, 0.5], 6), [[0.5, 1.0, 0.5, 1.0]]);

    // With SGD, what a layer moves by is its rate times its gradient.
    let moved = |factors: &[f64]| -> BTreeMap<String, f32> {
        let mut optim: ModuleOptimizer = SgdConfig::new().init();
        let sampled = plan(&[1.0]).with_sampler(ConstantLow);
        let mut run = train(apollo(4, sampled), &mut optim, 6);
        run = with_rates(run, factors);
        let before = bits(run.model());
        let grads = grads_of(&run.model().loss(batch(6, &device())), &run);
        run.update(&mut optim, 0.01, grads).unwrap();
        let by = |(path, after): (String, Vec<u32>)| {
            let pairs = after.iter().zip(&before[&path]);
            let moved = pairs.map(|(a, b)| (f32::from_bits(*a) - f32::from_bits(*b)).abs()).sum();
            (path, moved)
        };
        bits(run.model()).into_iter().map(by).collect()
    };
    let (equal, by_age) = (moved(&[1.0]), moved(&factors));
    for (layer, factor) in [0.1_f32, 1.0, 0.5, 1.0].into_iter().enumerate() {
        let path = format!("blocks.{layer}.linear.weight");
        let found = by_age[&path] / equal[&path];
        assert!((found - factor).abs() < 1e-2, "{path}: {found} instead of {factor}");
    }
    assert_eq!(by_age["head.weight"], equal["head.weight"]);
}

/// The run under other rates of its layers.
fn with_rates(run: Apollo<Net>, factors: &[f64]) -> Apollo<Net> {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path(), Retention::default()).unwrap();
    let scheduler = run.plan().lr.scheduler(0.01, 12).unwrap();
    store.save(Snapshot::new(&run, &adamw(), &scheduler).unwrap()).unwrap();
    let set = store.latest_good().unwrap().unwrap().set;
    let other = plan(factors).with_sampler(ConstantLow);
    match set.load_model(apollo(4, other.clone())) {
        Ok(_) => assert_eq!(factors, [1.0], "the same rates"),
        Err(refused) => assert!(refused.to_string().contains("`layer_rates`"), "{refused}"),
    }
    set.allow_other_plan().load_model(apollo(4, other)).unwrap()
}

#[test]
fn a_resumed_run_goes_on_with_the_same_bits() {
    for factors in [&[1.0, 0.0][..], &[1.0, 0.3, 0.0], &[0.5]] {
        let (whole, whole_optim) = run(factors, 12);
        for stop in [2, 3, 5, 6, 9] {
            let dir = tempfile::tempdir().unwrap();
            let store = CheckpointStore::open(dir.path(), Retention::default()).unwrap();
            let (stopped, optim) = run(factors, stop);
            let scheduler = || stopped.plan().lr.scheduler(0.01, 12).unwrap();
            store.save(Snapshot::new(&stopped, &optim, &scheduler()).unwrap()).unwrap();
            let set = store.latest_good().unwrap().unwrap().set;
            let (resumed, mut optim, _) =
                set.load(apollo(4, plan(factors)), adamw(), scheduler()).unwrap();
            let resumed = train(resumed, &mut optim, 12 - stop);
            assert_eq!(bits(resumed.model()), bits(whole.model()), "stopped before {stop}");
            assert_eq!(state(&optim), state(&whole_optim), "stopped before {stop}");
        }
    }
}

#[test]
fn nonsense_is_refused_before_the_run() {
    for (factors, words) in [
        (vec![], "by_age` must be at least one factor"),
        (vec![0.0], "by_age[0]` must be above 0"),
        (vec![1.0, f64::NAN], "finite and at least 0"),
    ] {
        let error = Apollo::new(Net::new(4, &device()), plan(&factors)).unwrap_err();
        assert!(matches!(error, ApolloError::Plan(PlanError { .. })), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let text = "steps = 9\nlayer_rates = { by_age = [1.0, 0.1] }";
    let read: Plan = toml::from_str(text).unwrap();
    assert_eq!(read.layer_rates, LayerRates::ByAge(vec![1.0, 0.1]));
    let equal: Plan = toml::from_str("steps = 9\nlayer_rates = \"equal\"").unwrap();
    assert_eq!(equal, Plan::new(9));
}

/// The recipe `mslt`: after each growth the new layers alone are trained, at the end all of them.
#[test]
fn all_layers_train_together_at_the_end_of_mslt() {
    let setting = Setting::new(20, &[4]);
    let plan = Recipe::by_name("mslt").unwrap().plan(&setting).unwrap();
    let (mut run, mut optim) = (apollo(4, plan), adamw());
    let mut trained = Vec::new();
    while run.step_count() < 20 {
        let (before, layers) = (bits(run.model()), run.unique_layers());
        let (_, growth) = train_step(&mut run, &mut optim, 0.01);
        if growth.is_none() {
            let after = bits(run.model());
            let moved = |layer: &usize| {
                let path = format!("blocks.{layer}.linear.weight");
                after[&path] != before[&path]
            };
            trained.push((0..layers).filter(moved).collect::<Vec<_>>());
        }
    }
    // Growths follow the steps 3, 7 and 11.
    let steps = |layers: &[usize], steps: usize| vec![layers.to_vec(); steps];
    let expected =
        [steps(&[0], 3), steps(&[1], 3), steps(&[2], 3), steps(&[3], 4), steps(&[0, 1, 2, 3], 4)];
    assert_eq!(trained, expected.concat());
}
