//! Other distributions of the depth for the first parts of a run.

use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::cost::{ModelCost, PlanCost};
use burn_apollo::depth::{ConstantHigh, ConstantLow, DepthSamplerConfig, Uniform};
use burn_apollo::expand::NewLayers;
use burn_apollo::plan::Caution;
use burn_apollo::schedule::Until;
use burn_apollo::{Apollo, Plan};

use crate::support::{Net, adamw, apollo, bits, stages, state, train, train_step};

/// 2 layers until step 6, then 4 of 6 until step 9; each once until step 3, then as many as there are until step 8.
fn plan(then: impl Into<DepthSamplerConfig>) -> Plan {
    Plan::new(12)
        .with_schedule(stages(&[(2, 6), (4, 9)], 6))
        .with_early_sampler(ConstantLow, Until::Fraction(0.25))
        .with_early_sampler(then, Until::Step(8))
        .with_sampler(ConstantLow)
}

#[test]
fn every_step_is_drawn_from_its_part_s_sampler() {
    let (mut run, mut optim) = (apollo(6, plan(ConstantHigh)), adamw());
    let mut depths = Vec::new();
    while run.step_count() < 12 {
        assert_eq!(run.pmfs()[0].mean(), run.depth() as f64, "step {}", run.step_count());
        depths.push(run.depth());
        train_step(&mut run, &mut optim, 0.01);
    }
    assert_eq!(depths, [2, 2, 2, 6, 6, 6, 6, 6, 4, 6, 6, 6]);

    let model = ModelCost::of_layer(1.0, 0.0);
    let cost = PlanCost::of(run.plan(), &[6], &model, 1).unwrap();
    assert_eq!(cost.operations, 3.0 * depths.iter().sum::<usize>() as f64);
    let means: Vec<f64> = cost.stages.iter().map(|stage| stage.depths[0]).collect();
    assert_eq!(means, [4.0, 16.0 / 3.0, 6.0]);
}

#[test]
fn a_resumed_run_goes_on_with_the_same_bits() {
    let run = |steps| {
        let mut optim = adamw();
        (train(apollo(6, plan(Uniform)), &mut optim, steps), optim)
    };
    let (whole, whole_optim) = run(12);
    for stop in 1..12 {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(dir.path(), Retention::default()).unwrap();
        let (stopped, optim) = run(stop);
        let scheduler = || stopped.plan().lr.scheduler(0.01, 12).unwrap();
        store.save(Snapshot::new(&stopped, &optim, &scheduler()).unwrap()).unwrap();
        let set = store.latest_good().unwrap().unwrap().set;
        let (resumed, mut optim, _) =
            set.load(apollo(6, plan(Uniform)), adamw(), scheduler()).unwrap();
        assert_eq!(resumed.depths(), stopped.depths(), "stopped before {stop}");
        let resumed: Apollo<Net> = train(resumed, &mut optim, 12 - stop);
        assert_eq!(bits(resumed.model()), bits(whole.model()), "stopped before {stop}");
        assert_eq!(state(&optim), state(&whole_optim), "stopped before {stop}");

        let refused = set.load_model(apollo(6, plan(ConstantHigh))).unwrap_err().to_string();
        assert!(refused.contains("`early_samplers`"), "{refused}");
    }
}

#[test]
fn a_part_that_draws_greater_depths_is_a_caution_for_identities() {
    let zeroed = |plan: Plan| plan.with_new_layers(NewLayers::zeroed(["linear"])).cautions();
    let sampler = "uniform".to_owned();
    assert_eq!(zeroed(plan(Uniform)), [Caution::NotPreserving { sampler }]);
    assert_eq!(zeroed(plan(ConstantLow)), []);
}
