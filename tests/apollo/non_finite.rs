//! Gradients that are not finite, by policy.

mod support;

use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::Tensor;
use burn::train::TrainStep;
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::{Apollo, ApolloConfig, ApolloError, NotFinite};
use support::{Net, adamw, batch, bits, device, parameters, stages};

fn apollo(policy: NotFinite) -> Apollo<Net> {
    let config = ApolloConfig::new(20).with_schedule(stages(&[(2, 5)], 4)).with_not_finite(policy);
    support::apollo(4, config)
}

/// The gradients of a step; those of step 3 are not finite.
fn grads(apollo: &Apollo<Net>, bad: f64) -> GradientsParams {
    let step = apollo.step_count();
    let x: Tensor<2> = batch(step, &device());
    let loss = apollo.loss(x);
    let loss = if step == 3 { loss.mul_scalar(bad) } else { loss };
    GradientsParams::from_grads(loss.backward(), apollo)
}

fn run(policy: NotFinite, bad: f64, steps: u64) -> (Apollo<Net>, ModuleOptimizer) {
    let (mut apollo, mut optim) = (apollo(policy), adamw());
    for _ in 0..steps {
        let grads = grads(&apollo, bad);
        apollo = apollo.optimize(&mut optim, 0.01, grads);
    }
    (apollo, optim)
}

#[test]
fn a_skipped_step_counts_and_changes_nothing() {
    for bad in [f64::NAN, f64::INFINITY] {
        let (before, _) = run(NotFinite::Skip, bad, 3);
        assert!(before.skipped().is_none());
        let (after, optim) = run(NotFinite::Skip, bad, 4);
        assert_eq!(bits(&after), bits(&before));
        assert_eq!((after.step_count(), optim.to_record().len()), (4, 2 * 8));
        let reason = after.skipped().unwrap().to_string();
        assert!(reason.contains("step 3: the gradient of `"), "{reason}");
        assert!(after.growth().unwrap().is_none());
        // The run goes on, and grows where it should.
        let (later, _) = run(NotFinite::Skip, bad, 8);
        assert!(later.skipped().is_none());
        assert_eq!((later.step_count(), later.growth_steps()), (8, &[5][..]));
        assert!(bits(&later).values().flatten().all(|b| f32::from_bits(*b).is_finite()));
    }
}

#[test]
fn a_stopped_run_stays_where_it_is() {
    let (before, _) = run(NotFinite::Stop, f64::NAN, 3);
    let (after, _) = run(NotFinite::Stop, f64::NAN, 6);
    assert_eq!((bits(&after), after.step_count()), (bits(&before), 3));
    let error = after.growth().unwrap_err();
    assert!(matches!(&*error, ApolloError::NotFinite { step: 3, .. }), "{error}");
    let mut later = after.clone();
    let good = GradientsParams::from_grads(later.loss(batch(9, &device())).backward(), &later);
    later = later.optimize(&mut adamw(), 0.01, good);
    assert_eq!(bits(&later), bits(&before), "no step is taken after it");
    assert!(matches!(after.into_inner(), Err(ApolloError::Failed(_))));
}

#[test]
fn who_does_not_look_is_not_told() {
    let (after, _) = run(NotFinite::Ignore, f64::NAN, 4);
    assert!(after.growth().unwrap().is_none() && after.skipped().is_none());
    assert!(bits(&after).values().flatten().any(|b| f32::from_bits(*b).is_nan()));
}

#[test]
fn gradients_of_several_devices_are_looked_at_too() {
    let (mut apollo, mut optim) = (apollo(NotFinite::Skip), adamw());
    for _ in 0..4 {
        let good =
            GradientsParams::from_grads(apollo.loss(batch(9, &device())).backward(), &apollo);
        let grads = grads(&apollo, f64::NAN);
        let grads = MultiGradientsParams { grads: vec![(good, device()), (grads, device())] };
        let before = bits(&apollo);
        apollo = TrainStep::optimize_multi(apollo, &mut optim, 0.01.into(), grads);
        assert_eq!(apollo.skipped().is_some(), apollo.step_count() == 4);
        assert_eq!(bits(&apollo) == before, apollo.skipped().is_some());
    }
}

/// The third policy is the loop's: back to the last good set, and on with other data.
#[test]
fn a_run_rolls_back_to_the_last_good_set() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path(), Retention::default()).unwrap();
    let scheduler = || {
        burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig::new(0.01, 20).init().unwrap()
    };
    let (mut apollo, mut optim, mut scheduler) = (apollo(NotFinite::Stop), adamw(), scheduler());
    let mut skipped = 0;
    while apollo.step_count() < 20 {
        let number = apollo.step_count() + skipped;
        let loss = apollo.loss(batch(number, &device()));
        let loss = if number == 7 { loss.mul_scalar(f64::NAN) } else { loss };
        let grads = GradientsParams::from_grads(loss.backward(), &apollo);
        apollo = apollo.optimize(&mut optim, scheduler.step(), grads);
        if apollo.growth().is_err() {
            let bad = apollo.step_count();
            let set = store.latest_good().unwrap().unwrap().set;
            (apollo, optim, scheduler) = set.load(apollo, optim, scheduler).unwrap();
            assert_eq!((bad, apollo.step_count(), apollo.unique_layers()), (7, 6, 4));
            apollo.growth().unwrap();
            skipped += bad + 1 - apollo.step_count();
        } else if apollo.step_count() % 3 == 0 {
            store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
        }
    }
    assert_eq!(skipped, 2);
    assert!(
        parameters(&apollo).values().all(|(_, b)| b.iter().all(|b| f32::from_bits(*b).is_finite()))
    );
}
