//! Wrong uses of checkpoints and of what they hold.

use std::fs;

use burn::module::{Module, ParamGroup};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, SgdConfig};
use burn_apollo::apollo::ApolloError;
use burn_apollo::checkpoint::{CheckpointError, Retention, Snapshot, best_good};
use burn_apollo::plan::PlanError;
use burn_apollo::policy::{Decision, GrowthPolicy, GrowthPolicyConfig, Observation};
use burn_apollo::schedule::{Schedule, Stage, Until};
use serde::Serialize;

use crate::{adamw, gradients, new_run, plan, store, train};

/// Remembers all steps at which it was asked.
#[derive(Debug, Clone, Default, Serialize)]
struct Growing {
    #[serde(skip)]
    asked: Vec<f64>,
}

impl GrowthPolicy for Growing {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        self.asked.push(now.step as f64);
        if now.step >= now.stage_end { Decision::Grow } else { Decision::Stay }
    }

    fn state(&self) -> Vec<f64> {
        self.asked.clone()
    }

    fn restore(&mut self, state: &[f64]) -> Result<(), PlanError> {
        self.asked = state.to_vec();
        Ok(())
    }
}

#[test]
fn a_policy_may_keep_more_and_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let plan =
        plan().with_policy(GrowthPolicyConfig::custom("growing", Growing::default()).unwrap());
    let (mut apollo, mut optim, scheduler) = new_run(plan.clone());
    for steps in 1..=5 {
        train(&mut apollo, &mut optim, 1);
        store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
        let set = store.latest_good().unwrap().unwrap().set;
        let (apollo, optim, scheduler) = new_run(plan.clone());
        let (loaded, ..) = set.load(apollo, optim, scheduler).unwrap();
        assert_eq!(loaded.step_count(), steps);
    }
}

/// Does not take back what it gives.
#[derive(Debug, Clone, Default, Serialize)]
struct Stubborn;

impl GrowthPolicy for Stubborn {
    fn decide(&mut self, _now: &Observation<'_>) -> Decision {
        Decision::Stay
    }

    fn state(&self) -> Vec<f64> {
        vec![1.0]
    }
}

#[test]
fn a_policy_that_would_not_take_its_state_back_is_found_when_the_run_is_saved() {
    let (apollo, optim, scheduler) =
        new_run(plan().with_policy(GrowthPolicyConfig::custom("stubborn", Stubborn).unwrap()));
    let error = Snapshot::new(&apollo, &optim, &scheduler).unwrap_err();
    let CheckpointError::Other { cause: Some(cause), .. } = error else { panic!("{error}") };
    let ApolloError::Plan(error) = *cause else { panic!("{cause}") };
    assert_eq!(error, PlanError::new("policy.state", 1, "0 numbers"));
}

#[test]
fn states_that_cannot_be_read_again_are_refused() {
    let (apollo, optim, scheduler) = new_run(plan());
    let snapshot = || Snapshot::new(&apollo, &optim, &scheduler).unwrap();
    let error = snapshot().with_state("best", &f64::INFINITY).unwrap_err();
    assert!(error.to_string().contains("`best`") && error.to_string().contains("inf"), "{error}");
    let mut deep = serde_json::json!(1);
    for _ in 0..200 {
        deep = serde_json::json!([deep]);
    }
    let error = snapshot().with_state("deep", &deep).unwrap_err().to_string();
    assert!(error.contains("`deep`") && error.contains("recursion"), "{error}");
    assert!(snapshot().with_state("none", &None::<f64>).is_ok());
}

#[test]
fn what_was_frozen_stays_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let (mut apollo, mut optim, scheduler) = new_run(plan());
    let input = apollo.model().input.clone().no_grad();
    apollo.model_mut().input = input;
    train(&mut apollo, &mut optim, 4);
    store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
    let set = store.latest_good().unwrap().unwrap().set;

    let (fresh, optim, scheduler) = new_run(plan());
    assert!(fresh.model().input.weight.val().is_require_grad());
    let (mut loaded, mut optim, _) = set.load(fresh, optim, scheduler).unwrap();
    let before = loaded.model().input.weight.val().into_data();
    train(&mut loaded, &mut optim, 4);
    let net = loaded.model();
    assert_eq!(net.input.weight.val().into_data(), before);
    assert!(net.blocks.iter().all(|block| block.weight.val().is_require_grad()));

    // What the model freezes and the run had thawed is trained.
    let (mut frozen, optim, scheduler) = new_run(plan());
    let group = ParamGroup::all();
    let all = frozen.model().clone().freeze_group(group);
    *frozen.model_mut() = all;
    let (loaded, ..) = set.load(frozen, optim, scheduler).unwrap();
    assert!(loaded.model().blocks[0].weight.val().is_require_grad());
}

#[test]
fn another_plan_goes_on_with_another_policy_and_more_stages() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let (mut apollo, mut optim, scheduler) = new_run(plan());
    train(&mut apollo, &mut optim, 4);
    store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
    let set = store.latest_good().unwrap().unwrap().set;
    let stage = |layers, end| Stage { layers: vec![layers], until: Some(Until::Step(end)) };
    let schedule = |stages| Schedule { stages };
    let more = schedule(vec![stage(1, 2), stage(2, 5), stage(3, 8), stage(4, 12)]);
    let other = plan()
        .with_schedule(more)
        .with_policy(GrowthPolicyConfig::custom("growing", Growing::default()).unwrap());

    let (apollo, optim, scheduler) = new_run(other.clone());
    let refused = set.load(apollo, optim, scheduler).err().unwrap();
    assert!(matches!(refused, CheckpointError::OtherRun { .. }), "{refused}");
    let set = set.allow_other_plan();
    let (apollo, optim, scheduler) = new_run(other.clone());
    let (mut apollo, mut optim, scheduler) = set.load(apollo, optim, scheduler).unwrap();
    assert_eq!((apollo.step_count(), apollo.stage(), apollo.unique_layers()), (4, 1, 2));
    train(&mut apollo, &mut optim, 8);
    assert_eq!(apollo.growths().collect::<Vec<_>>(), [(3, 1), (5, 2), (8, 3)]);
    // And it is a run by that plan from then on.
    store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
    let again = store.latest_good().unwrap().unwrap().set;
    let (fresh, optim, scheduler) = new_run(other);
    let (loaded, ..) = again.load(fresh, optim, scheduler).unwrap();
    assert_eq!(loaded.growths().collect::<Vec<_>>(), [(3, 1), (5, 2), (8, 3)]);

    let (apollo, optim, scheduler) =
        new_run(plan().with_schedule(schedule(vec![stage(1, 2), stage(3, 5), stage(4, 12)])));
    let error = set.load(apollo, optim, scheduler).err().unwrap();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("[2] layers"), "{error}: {cause}");
}

#[test]
fn the_best_set_is_found_beside_a_running_run_and_damage_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let (apollo, optim, scheduler) = new_run(plan());
    let mut paths = Vec::new();
    for metric in [2.0, 1.0, 3.0] {
        let snapshot = Snapshot::new(&apollo, &optim, &scheduler).unwrap();
        paths.push(store.save(snapshot.with_metric(metric).unwrap()).unwrap().path);
    }
    let best = || best_good(dir.path(), Retention::default());
    assert_eq!(best().unwrap().unwrap().set.metric(), Some(1.0));

    fs::write(paths[1].join("manifest.json"), "{").unwrap();
    let found = best().unwrap().unwrap();
    assert_eq!((found.set.metric(), found.stepped_over.len()), (Some(2.0), 1));
    for path in &paths {
        fs::write(path.join("manifest.json"), "{").unwrap();
    }
    assert!(matches!(best(), Err(CheckpointError::NoneGood { damaged, .. }) if damaged.len() == 3));
    assert!(matches!(store.best_good(), Err(CheckpointError::NoneGood { .. })));
}

#[test]
fn a_folder_with_the_greatest_number_is_no_set() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(format!("{}-step-1", u64::MAX))).unwrap();
    let store = store(dir.path());
    let (apollo, optim, scheduler) = new_run(plan());
    for _ in 0..2 {
        store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
    }
    assert!(store.latest_good().unwrap().is_some());
}

#[test]
fn a_set_of_another_optimizer_or_rate_is_refused_and_both_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let (mut apollo, mut optim, mut scheduler) = new_run(plan());
    for _ in 0..4 {
        let grads = gradients(&apollo, 1.0);
        apollo.update(&mut optim, scheduler.step(), grads).unwrap();
    }
    store.save(Snapshot::new(&apollo, &optim, &scheduler).unwrap()).unwrap();
    let set = store.latest_good().unwrap().unwrap().set;

    let sgd = || SgdConfig::new().with_momentum(Some(MomentumConfig::new()));
    let grouped = adamw().with_group(ParamGroup::from_predicate("blocks"), sgd().build(), None);
    // The first parameter by its id, which is drawn: a weight or a bias.
    for (other, params) in [(sgd().init(), ["weight`", "bias`"]), (grouped, ["`blocks."; 2])] {
        let (apollo, _, scheduler) = new_run(plan());
        let error = set.load(apollo, other, scheduler).err().unwrap().to_string();
        for words in ["optim.bpk", "keeps `momentum.moment_1`", "takes nothing"] {
            assert!(error.contains(words), "{error} should contain {words}");
        }
        assert!(params.iter().any(|param| error.contains(param)), "{error}");
    }
    let (apollo, optim, scheduler) = new_run(plan());
    set.load(apollo, optim, scheduler).unwrap();

    let other_rate = || plan().lr.scheduler(0.02, 12).unwrap();
    let (apollo, optim, _) = new_run(plan());
    let error = set.load(apollo, optim, other_rate()).err().unwrap();
    let CheckpointError::OtherRun { setting, saved, now } = error else { panic!("{error}") };
    let rate = |text: String| text.parse::<f64>().unwrap();
    assert_eq!(setting, "learning rate of step 4");
    assert!((rate(now) / rate(saved) - 2.0).abs() < 1e-9);

    // On purpose, another rate goes on; so does an optimizer of the same state.
    let (apollo, ..) = new_run(plan());
    let adam = AdamConfig::new().init();
    let (apollo, ..) = set.allow_other_plan().load(apollo, adam, other_rate()).unwrap();
    assert_eq!(apollo.step_count(), 4);
}
