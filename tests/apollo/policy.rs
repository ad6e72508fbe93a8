//! Growth policies of a user's own: the numbers that the loop measures for them, and the stages that they grow to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use burn::lr_scheduler::{constant::ConstantLr, module_lr_scheduler::ModuleLrScheduler};
use burn::module::ParamId;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::policy::{Decision, GrowthPolicy, GrowthPolicyConfig, Measurement, Observation};
use burn_apollo::{Apollo, Plan, apollo::ApolloError};
use serde::Serialize;

use crate::support::measured::measured_plan;
use crate::support::{
    Net, adamw, apollo, bits, device, load_record, parameters, record_bytes, stages, state, train,
    train_step, try_step,
};

/// A step that measures 0.5 at even steps: growths before steps 11 and 23. Gives the loss's bits.
fn measured_step(apollo: &mut Apollo<Net>, optim: &mut ModuleOptimizer) -> u32 {
    if apollo.step_count().is_multiple_of(2) {
        apollo.record("push", 0.5);
        apollo.record("something else", 100.0);
    }
    train_step(apollo, optim, 0.01).0
}

#[test]
fn a_policy_of_ones_own_resumes_bit_for_bit_around_its_growths() {
    let (mut model, mut optim) = (apollo(6, measured_plan()), adamw());
    let (mut saved, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        saved.push((record_bytes(&model), optim.to_record().into_bytes().unwrap()));
        let loss = measured_step(&mut model, &mut optim);
        losses.push((model.depth(), loss));
    }
    assert_eq!(model.growths().collect::<Vec<_>>(), [(11, 1), (23, 3)]);
    assert_eq!((model.stage(), model.unique_layers()), (3, 6));
    for step in [0, 1, 9, 10, 11, 12, 21, 22, 23, 24, 39] {
        let (record, state) = saved[step].clone();
        let fresh = Apollo::new(Net::random(6, &device()), measured_plan()).unwrap();
        let mut resumed = load_record(fresh, ModuleRecord::from_bytes(record).unwrap());
        let mut optim = adamw().load_record(OptimizerRecord::from_bytes(state).unwrap());
        for (i, expected) in losses.iter().enumerate().skip(step) {
            let loss = measured_step(&mut resumed, &mut optim);
            assert_eq!((resumed.depth(), loss), *expected, "step {i}, resumed at {step}");
        }
        let (found, expected) = (parameters(resumed.model()), parameters(model.model()));
        assert_eq!(found, expected, "resumed at {step}");
        assert_eq!(resumed.registry(), model.registry(), "resumed at {step}");
    }
}

/// What was measured, but not heard, goes into the checkpoint.
#[test]
fn measurements_that_wait_are_part_of_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path(), Retention::last(1)).unwrap();
    let scheduler = || ModuleLrScheduler::new(ConstantLr::new(0.01));
    let (mut model, mut optim) = (apollo(6, measured_plan()), adamw());
    model = train(model, &mut optim, 3);
    model.record("push", 3.0);
    store.save(Snapshot::new(&model, &optim, &scheduler()).unwrap()).unwrap();

    let set = store.latest_good().unwrap().unwrap().set;
    let (mut resumed, mut optim, _) =
        set.load(apollo(6, measured_plan()), adamw(), scheduler()).unwrap();
    train_step(&mut resumed, &mut optim, 0.01);
    assert_eq!(resumed.growths().collect::<Vec<_>>(), [(4, 1)]);
}

/// Remembers the losses that it saw.
#[derive(Debug, Clone, Default, Serialize)]
struct Listens {
    #[serde(skip)]
    heard: Arc<Mutex<Vec<Measurement>>>,
}

impl GrowthPolicy for Listens {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        self.heard.lock().unwrap().extend(now.losses().cloned());
        match now.step == now.stage_end {
            true => Decision::Grow,
            false => Decision::Stay,
        }
    }
}

/// A loss that is told late comes with the depth that its own step ran at.
#[test]
fn a_loss_has_the_depth_of_its_step() {
    let listens = Listens::default();
    let heard = listens.heard.clone();
    let plan = Plan::new(40)
        .with_schedule(stages(&[(1, 7), (3, 19)], 6))
        .with_policy(GrowthPolicyConfig::custom("listens", listens).unwrap());
    let (mut model, mut optim) = (apollo(6, plan), adamw());
    let mut depths = Vec::new();
    for step in 0..18_u64 {
        depths.push(model.depth());
        if let Some(late) = step.checked_sub(2) {
            model.record_loss(late, late as f64);
        }
        train_step(&mut model, &mut optim, 0.01);
    }
    let expected: Vec<Measurement> =
        (0..16).map(|step| Measurement::loss(step, step as f64, depths[step as usize])).collect();
    assert_eq!(*heard.lock().unwrap(), expected);
    assert!(depths[..7].contains(&1) && depths[7..].iter().all(|depth| *depth >= 3), "{depths:?}");
}

#[derive(Debug, Clone, Copy, Serialize)]
enum Answer {
    Stay,
    GrowTo(usize),
}

#[derive(Debug, Clone, Serialize)]
struct Answers(Answer);

impl GrowthPolicy for Answers {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        match (now.step, self.0) {
            (2, _) => Decision::Grow,
            (5, Answer::GrowTo(stage)) => Decision::GrowTo(stage),
            _ => Decision::Stay,
        }
    }
}

#[test]
fn a_target_that_does_not_exist_is_a_typed_error_and_changes_nothing() {
    let plan = |answer| {
        Plan::new(40)
            .with_schedule(stages(&[(1, 10), (2, 20), (4, 30)], 6))
            .with_policy(GrowthPolicyConfig::custom("answers", Answers(answer)).unwrap())
    };
    let mut control_optim = adamw();
    let control = train(apollo(6, plan(Answer::Stay)), &mut control_optim, 5);
    for wrong in [0, 1, 4, usize::MAX] {
        let mut optim = adamw();
        let mut model = train(apollo(6, plan(Answer::GrowTo(wrong))), &mut optim, 4);
        let error = try_step(&mut model, &mut optim, 0.01).1.unwrap_err();
        let ApolloError::Growth { stage, step: 5, cause } = &error else { panic!("{error}") };
        assert_eq!(*stage, wrong);
        let told =
            format!("a growth to stage {wrong} was asked for in stage 1 of a schedule with 4");
        assert!(cause.to_string().starts_with(&told), "{cause}");
        let found = parameters(model.model());
        assert_eq!(found, parameters_like(model.model(), control.model()));
        assert_eq!(state(&optim), state(&control_optim));
        assert!(matches!(model.clone().into_inner(), Err(ApolloError::Unfinished { .. })));
        train_step(&mut model, &mut optim, 0.01); // the policy asks no more
    }
    let mut optim = adamw();
    let right = train(apollo(6, plan(Answer::GrowTo(3))), &mut optim, 5);
    assert_eq!((right.stage(), right.unique_layers(), right.depth()), (3, 6, 6));
}

/// The values of `other` under the ids of `model`: nets built apart have other ids.
fn parameters_like(model: &Net, other: &Net) -> BTreeMap<String, (ParamId, Vec<u32>)> {
    let (ids, values) = (parameters(model), bits(other));
    assert!(ids.keys().eq(values.keys()));
    ids.into_iter().map(|(path, (id, _))| (path.clone(), (id, values[&path].clone()))).collect()
}
