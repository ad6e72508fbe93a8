//! Wrong uses, each of which is an error at once and names what would be right.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Tensor};
use burn_apollo::checkpoint::{CheckpointError, CheckpointStore, Retention, Snapshot, best_good};
use burn_apollo::depth::{ConstantLow, DepthError, DepthPmf, DepthSampler, Sampler, Uniform};
use burn_apollo::expand::{ExpandError, Expander, Expansion, LayerMap, Stacking};
use burn_apollo::plan::PlanError;
use burn_apollo::policy::{Decision, GrowthPolicy, LossPlateau, Observation, Policy, PolicyError};
use burn_apollo::schedule::{Schedule, Stage, Until};
use burn_apollo::stack::{LayerStack, Untied};
use burn_apollo::{Apollo, ApolloError, GrowthRequest, NonFiniteGradients, Plan, growable};
use serde::Serialize;

#[derive(Module, Debug)]
struct Net {
    input: Linear,
    blocks: LayerStack<Linear>,
}

growable!(Net { blocks });

impl Net {
    fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let forward = |x: Tensor<2>, block: &Linear| x.clone() + block.forward(x).tanh();
        self.blocks.iter().fold(self.input.forward(x), forward).powi_scalar(2).mean()
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn net() -> Net {
    let layer = || LinearConfig::new(4, 4).init(&device());
    Net { input: layer(), blocks: (0..4).map(|_| layer()).collect() }
}

/// 1 layer until step 3, 2 until step 6, then 4, of 12 steps.
fn plan() -> Plan {
    let stage = |layers, end| Stage { layers: vec![layers], until: Some(Until::Step(end)) };
    let stages = vec![stage(1, 3), stage(2, 6), stage(4, 12)];
    Plan::new(12).with_schedule(Schedule { stages }).with_sampler(ConstantLow)
}

fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

fn gradients(apollo: &Apollo<Net>, factor: f64) -> GradientsParams {
    let x = Tensor::random([2, 4], Distribution::Default, &device());
    let loss = apollo.model().loss(x).mul_scalar(factor);
    GradientsParams::from_grads(loss.backward(), apollo.model())
}

fn train(apollo: &mut Apollo<Net>, optim: &mut ModuleOptimizer, steps: u64) {
    for _ in 0..steps {
        let grads = gradients(apollo, 1.0);
        apollo.update(optim, 0.01, grads).unwrap();
    }
}

fn new_run(plan: Plan) -> (Apollo<Net>, ModuleOptimizer, ModuleLrScheduler) {
    let scheduler = plan.lr.scheduler(0.01, plan.steps).unwrap();
    (Apollo::new(net(), plan).unwrap(), adamw(), scheduler)
}

fn store(dir: &Path) -> CheckpointStore {
    CheckpointStore::open(dir, Retention::last(9)).unwrap()
}

#[test]
fn a_model_with_layers_that_were_never_trained_is_not_passed_off() {
    let (mut apollo, mut optim, _) = new_run(plan());
    train(&mut apollo, &mut optim, 5);
    let error = apollo.clone().into_inner().unwrap_err();
    assert!(matches!(error, ApolloError::Unfinished { step: 5, steps: 12, stage: 1, stages: 3 }));
    assert!(error.to_string().contains("into_partly_trained"), "{error}");
    assert_eq!(apollo.clone().into_partly_trained().unwrap().blocks.layers().len(), 4);

    // Grown, but not one step trained since.
    apollo.grow(&mut optim, &GrowthRequest::next()).unwrap();
    assert!(matches!(apollo.clone().into_inner(), Err(ApolloError::Unfinished { .. })));
    train(&mut apollo, &mut optim, 1);
    assert!(apollo.into_inner().is_ok());
}

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

    fn restore(&mut self, state: &[f64]) -> Result<(), PolicyError> {
        self.asked = state.to_vec();
        Ok(())
    }
}

#[test]
fn a_policy_may_keep_more_and_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let plan = plan().with_policy(Policy::custom("growing", Growing::default()).unwrap());
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
        new_run(plan().with_policy(Policy::custom("stubborn", Stubborn).unwrap()));
    let error = Snapshot::new(&apollo, &optim, &scheduler).unwrap_err();
    assert!(matches!(error, CheckpointError::Run(ApolloError::Plan(PlanError::Policy(_)))));
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
    assert!(matches!(
        snapshot().with_state("deep", &deep),
        Err(CheckpointError::State { name, .. }) if name == "deep"
    ));
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
fn a_rate_that_is_not_finite_is_an_error_at_once() {
    for policy in [NonFiniteGradients::Allow, NonFiniteGradients::Skip { in_a_row: 3 }] {
        let (apollo, mut optim, _) = new_run(plan());
        let mut apollo = apollo.with_non_finite_gradients(policy);
        let before = apollo.model().input.weight.val().into_data();
        for rate in [f64::NAN, f64::INFINITY] {
            let grads = gradients(&apollo, 1.0);
            let error = apollo.update(&mut optim, rate, grads).unwrap_err();
            assert!(matches!(error, ApolloError::Rate { step: 0, .. }), "{error}");
        }
        assert_eq!(apollo.model().input.weight.val().into_data(), before);
        train(&mut apollo, &mut optim, 1);
        assert_eq!(apollo.step_count(), 1);
    }
}

#[test]
fn skips_without_an_end_are_an_error() {
    let (apollo, mut optim, _) = new_run(plan());
    let mut apollo = apollo.with_non_finite_gradients(NonFiniteGradients::Skip { in_a_row: 2 });
    let mut bad = |apollo: &mut Apollo<Net>| {
        let grads = gradients(apollo, f64::NAN);
        apollo.update(&mut optim, 0.01, grads)
    };
    for _ in 0..2 {
        assert!(bad(&mut apollo).unwrap().skipped.is_some());
    }
    let error = bad(&mut apollo).unwrap_err();
    assert!(matches!(error, ApolloError::Skipped { step: 2, skipped: 2, .. }), "{error}");
    // A good step begins the count anew.
    let mut optim = adamw();
    train(&mut apollo, &mut optim, 1);
    let grads = gradients(&apollo, f64::NAN);
    assert!(apollo.update(&mut optim, 0.01, grads).unwrap().skipped.is_some());
}

#[test]
fn a_plateau_without_losses_is_an_error() {
    let stages = Schedule::one_hop(&[1], &[4], 0.75);
    let (mut apollo, mut optim, _) =
        new_run(plan().with_schedule(stages).with_policy(LossPlateau::new(5).unwrap()));
    train(&mut apollo, &mut optim, 8);
    let grads = gradients(&apollo, 1.0);
    let error = apollo.update(&mut optim, 0.01, grads).unwrap_err().to_string();
    assert!(error.contains("loss_plateau") && error.contains("record_loss"), "{error}");
    // The step was taken, and a loss mends it.
    assert_eq!((apollo.step_count(), apollo.stage()), (9, 0));
    apollo.record_loss(8, 1.0);
    train(&mut apollo, &mut optim, 1);
    assert_eq!(apollo.stage(), 1);
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
        .with_policy(Policy::custom("growing", Growing::default()).unwrap());

    let (apollo, optim, scheduler) = new_run(other.clone());
    let refused = set.load(apollo, optim, scheduler).err().unwrap();
    assert!(matches!(refused, CheckpointError::OtherPlan { .. }), "{refused}");
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
fn depths_beyond_any_model_are_refused() {
    let error = Stacking.map(1, usize::MAX).unwrap_err();
    assert!(matches!(error, ExpandError::TooManyLayers { .. }));
    let error = DepthPmf::from_weights(usize::MAX, vec![1.0, 1.0]).unwrap_err();
    assert!(matches!(error, DepthError::TooDeep { .. }));
    assert!(matches!(Uniform.pmf(1, usize::MAX), Err(DepthError::TooDeep { .. })));
}

/// Panics when it is told to.
#[derive(Debug, Clone, Serialize)]
struct Panics {
    #[serde(skip)]
    now: Arc<AtomicBool>,
}

impl Panics {
    fn new(now: bool) -> (Self, Arc<AtomicBool>) {
        let now = Arc::new(AtomicBool::new(now));
        (Self { now: now.clone() }, now)
    }

    fn maybe(&self) {
        assert!(!self.now.load(Ordering::SeqCst), "as the test wants");
    }
}

impl DepthSampler for Panics {
    fn pmf(&self, unique: usize, _target: usize) -> Result<DepthPmf, DepthError> {
        self.maybe();
        Ok(DepthPmf::always(unique))
    }
}

impl Expander for Panics {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, ExpandError> {
        self.maybe();
        Stacking.map(source, target)
    }
}

impl GrowthPolicy for Panics {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        self.maybe();
        if now.step >= now.stage_end { Decision::Grow } else { Decision::Stay }
    }
}

#[test]
fn panics_of_a_users_own_parts_are_errors() {
    let (panics, _) = Panics::new(true);
    for plan in [
        plan().with_sampler(Sampler::custom("panics", panics.clone()).unwrap()),
        plan().with_expander(Expansion::custom("panics", panics.clone()).unwrap()),
    ] {
        let error = Apollo::new(net(), plan).unwrap_err();
        assert!(matches!(error, ApolloError::Plan(PlanError::Panicked { .. })), "{error}");
    }
    let (panics, now) = Panics::new(false);
    let plan = plan().with_policy(Policy::custom("panics", panics).unwrap());
    let (mut apollo, mut optim, _) = new_run(plan);
    now.store(true, Ordering::SeqCst);
    let grads = gradients(&apollo, 1.0);
    let error = apollo.update(&mut optim, 0.01, grads).unwrap_err();
    assert!(matches!(error, ApolloError::Panicked { .. }), "{error}");
    now.store(false, Ordering::SeqCst);
    train(&mut apollo, &mut optim, 2);
    assert_eq!((apollo.step_count(), apollo.stage()), (3, 1));
}

#[test]
fn a_plan_with_a_part_that_nobody_supplied_says_so() {
    let (panics, _) = Panics::new(false);
    let written = plan().with_sampler(Sampler::custom("mine", panics.clone()).unwrap());
    let read: Plan = toml::from_str(&toml::to_string(&written).unwrap()).unwrap();
    assert_eq!(read, written);
    let error = Apollo::new(net(), read.clone()).unwrap_err().to_string();
    assert!(error.contains("`sampler`") && error.contains("\"mine\""), "{error}");
    let supplied = read.with_sampler(Sampler::custom("mine", panics).unwrap());
    assert!(Apollo::new(net(), supplied).is_ok());
}

#[test]
fn gradients_of_uses_are_those_of_the_layers_alone() {
    let net = net();
    let untied = Untied::new(&net);
    let x = Tensor::random([2, 4], Distribution::Default, &device());
    let loss = untied.model().loss(x);
    let grads = GradientsParams::from_grads(loss.backward(), untied.model());
    let uses = untied.gradients(&grads).remove(0);
    assert_eq!(uses.iter().map(|use_| use_.dims()[0]).collect::<Vec<_>>(), [20; 4]);
}
