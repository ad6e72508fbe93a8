//! Gradients that are not finite, by policy.

use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::train::{Interrupter, TrainStep};
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::train::Trainable;
use burn_apollo::{
    Apollo, Plan,
    apollo::{ApolloError, NonFiniteGradients, StepReport},
};

use crate::support::{
    self, Net, adamw, batch, bits, device, grads_of, growth_steps, parameters, stages,
};

fn apollo(policy: NonFiniteGradients) -> Apollo<Net> {
    let plan = Plan::new(20).with_schedule(stages(&[(2, 5)], 4));
    support::apollo(4, plan).with_non_finite_gradients(policy)
}

const SKIP: NonFiniteGradients = NonFiniteGradients::Skip { in_a_row: 3 };

/// The gradients of a step; those of step 3 are not finite.
fn grads(apollo: &Apollo<Net>, bad: f64) -> GradientsParams {
    let step = apollo.step_count();
    let loss = apollo.model().loss(batch(step, &device()));
    let loss = if step == 3 { loss.mul_scalar(bad) } else { loss };
    grads_of(&loss, apollo)
}

/// A run of some steps, its optimizer, and what the last of them answered.
struct Run {
    apollo: Apollo<Net>,
    optim: ModuleOptimizer,
    answer: Result<StepReport, ApolloError>,
}

impl Run {
    fn new(policy: NonFiniteGradients, bad: f64, steps: u64) -> Self {
        let (mut apollo, mut optim) = (apollo(policy), adamw());
        let mut step = || {
            let grads = grads(&apollo, bad);
            apollo.update(&mut optim, 0.01, grads)
        };
        (1..steps).for_each(|_| drop(step()));
        let answer = step();
        Self { apollo, optim, answer }
    }

    fn bits(&self) -> std::collections::BTreeMap<String, Vec<u32>> {
        bits(self.apollo.model())
    }
}

#[test]
fn a_skipped_step_counts_and_changes_nothing() {
    for bad in [f64::NAN, f64::INFINITY] {
        let before = Run::new(SKIP, bad, 3);
        assert!(before.answer.as_ref().unwrap().skipped.is_none());
        let after = Run::new(SKIP, bad, 4);
        assert_eq!(after.bits(), before.bits());
        assert_eq!((after.apollo.step_count(), after.optim.to_record().len()), (4, 2 * 8));
        let report = after.answer.unwrap();
        let paths = parameters(after.apollo.model());
        let reason = report.skipped.unwrap();
        assert!(paths.contains_key(&reason), "{reason} is a parameter's path");
        assert_eq!((report.step, report.growth), (3, None));
        // The run goes on, and grows where it should.
        let later = Run::new(SKIP, bad, 8);
        assert!(later.answer.as_ref().unwrap().skipped.is_none());
        assert_eq!((later.apollo.step_count(), growth_steps(&later.apollo)), (8, vec![5]));
        assert!(later.bits().values().flatten().all(|b| f32::from_bits(*b).is_finite()));
    }
}

/// A model that has gone bad would skip every step to the end.
#[test]
fn too_many_skipped_steps_in_a_row_are_an_error() {
    let (mut apollo, mut optim) = (apollo(NonFiniteGradients::Skip { in_a_row: 2 }), adamw());
    let mut step = |apollo: &mut Apollo<Net>, bad: bool| {
        let loss = apollo.model().loss(batch(apollo.step_count(), &device()));
        let loss = if bad { loss.mul_scalar(f64::NAN) } else { loss };
        let grads = grads_of(&loss, apollo);
        apollo.update(&mut optim, 0.01, grads)
    };
    // A good step in between begins the count anew.
    for bad in [true, true, false, true, true] {
        assert_eq!(step(&mut apollo, bad).unwrap().skipped.is_some(), bad);
    }
    let before = bits(apollo.model());
    for _ in 0..2 {
        let error = step(&mut apollo, true).unwrap_err();
        assert!(matches!(error, ApolloError::Skipped { step: 5, skipped: 2, .. }), "{error}");
        assert_eq!((bits(apollo.model()), apollo.step_count()), (before.clone(), 5));
    }
    assert!(step(&mut apollo, false).unwrap().skipped.is_none());
    assert!(step(&mut apollo, true).unwrap().skipped.is_some());
}

#[test]
fn a_step_that_is_an_error_changes_and_counts_nothing() {
    let before = Run::new(NonFiniteGradients::Error, f64::NAN, 3);
    let after = Run::new(NonFiniteGradients::Error, f64::NAN, 6);
    assert_eq!((after.bits(), after.apollo.step_count()), (before.bits(), 3));
    assert_eq!(support::state(&after.optim), support::state(&before.optim));
    let error = after.answer.unwrap_err();
    assert!(matches!(&error, ApolloError::Gradient { step: 3, .. }), "{error}");
    assert!(error.to_string().contains("step 3: the gradient of `"), "{error}");

    // The loop may go on with other data; inside burn-train, no step is taken after it.
    let (mut later, mut optim) = (after.apollo, after.optim);
    let model = Trainable::new(later.clone(), Interrupter::new());
    let good = || grads_of(&later.model().loss(batch(9, &device())), &later);
    let model = model.optimize(&mut optim.clone(), 0.01.into(), grads(&later, f64::NAN));
    let model = model.optimize(&mut optim.clone(), 0.01.into(), good());
    assert_eq!(bits(&model), before.bits());
    assert!(matches!(model.into_apollo(), Err(ApolloError::Failed(_))));
    let good = good();
    assert!(later.update(&mut optim, 0.01, good).is_ok());
    assert_ne!(bits(later.model()), before.bits());
}

#[test]
fn who_does_not_look_is_not_told() {
    let after = Run::new(NonFiniteGradients::Allow, f64::NAN, 4);
    let report = after.answer.as_ref().unwrap();
    assert!(report.growth.is_none() && report.skipped.is_none());
    assert!(after.bits().values().flatten().any(|b| f32::from_bits(*b).is_nan()));
}

/// A rate is looked at whatever the policy says of gradients.
#[test]
fn a_rate_that_is_not_finite_is_an_error() {
    for rate in [f64::NAN, f64::INFINITY] {
        let (mut apollo, mut optim) = (apollo(NonFiniteGradients::Allow), adamw());
        let before = bits(apollo.model());
        let good = grads(&apollo, 1.0);
        let error = apollo.update(&mut optim, rate, good).unwrap_err();
        assert!(error.to_string().starts_with("step 0: the learning rate of `"), "{error}");
        assert_eq!((bits(apollo.model()), apollo.step_count()), (before, 0));
        assert!(optim.to_record().is_empty());
    }
}

#[test]
fn gradients_of_several_devices_are_looked_at_too() {
    let mut model = Trainable::new(apollo(SKIP), Interrupter::new());
    let mut optim = adamw();
    for step in 0..4 {
        let apollo = model.apollo();
        let good = grads_of(&apollo.model().loss(batch(9, &device())), apollo);
        let grads = grads(apollo, f64::NAN);
        let grads = MultiGradientsParams { grads: vec![(good, device()), (grads, device())] };
        let before = bits(&model);
        model = TrainStep::optimize_multi(model, &mut optim, 0.01.into(), grads);
        assert_eq!(bits(&model) == before, step == 3, "step {step}");
    }
    assert_eq!(model.into_apollo().unwrap().step_count(), 4);
}

/// The third policy is the loop's: back to the last good set, and on with other data.
#[test]
fn a_run_rolls_back_to_the_last_good_set() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path(), Retention::default()).unwrap();
    let scheduler = || {
        burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig::new(0.01, 20).init().unwrap()
    };
    let mut apollo = apollo(NonFiniteGradients::Error);
    let (mut optim, mut scheduler) = (adamw(), scheduler());
    let mut skipped = 0;
    while apollo.step_count() < 20 {
        let number = apollo.step_count() + skipped;
        let loss = apollo.model().loss(batch(number, &device()));
        let loss = if number == 7 { loss.mul_scalar(f64::NAN) } else { loss };
        let grads = grads_of(&loss, &apollo);
        if apollo.update(&mut optim, scheduler.step(), grads).is_err() {
            let bad = apollo.step_count();
            let set = store.latest_good().unwrap().unwrap().set;
            (apollo, optim, scheduler) = set.load(apollo, optim, scheduler).unwrap();
            assert_eq!((bad, apollo.step_count(), apollo.unique_layers()), (7, 6, 4));
            skipped += bad + 1 - apollo.step_count();
        } else if apollo.step_count().is_multiple_of(3) {
            store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
        }
    }
    assert_eq!(skipped, 2);
    let finite = |bits: &Vec<u32>| bits.iter().all(|b| f32::from_bits(*b).is_finite());
    assert!(parameters(apollo.model()).values().all(|(_, bits)| finite(bits)));
}
