//! Growths that a training loop makes itself: tried out on branches, adopted, refused.

use std::sync::{Arc, Mutex};

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn_apollo::branch::Branch;
use burn_apollo::expand::{Expander, ExpanderConfig, LayerMap, Stacking};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::plan::PlanError;
use burn_apollo::policy::{Decision, GrowthPolicy, GrowthPolicyConfig, Observation};
use burn_apollo::schedule::Schedule;
use burn_apollo::stack::LayerStack;
use burn_apollo::{
    Apollo, Plan,
    apollo::{ApolloError, GrowthRequest},
    growable,
};
use serde::Serialize;

use crate::support::{
    Net, WIDTH, adamw, apollo, batch, device, growth_steps, load_record, parameters, record,
    record_bytes, stages, state, train, train_step,
};

/// What a policy was asked: the step, and the losses that it saw.
type Asked = Arc<Mutex<Vec<(u64, Vec<f64>)>>>;

/// Never grows.
#[derive(Debug, Clone, Default, Serialize)]
struct NeverGrows {
    #[serde(skip)]
    asked: Asked,
}

impl GrowthPolicy for NeverGrows {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        self.asked.lock().unwrap().push((now.step, now.losses().map(|m| m.value).collect()));
        Decision::Stay
    }
}

fn never_grows(asked: &Asked) -> GrowthPolicyConfig {
    GrowthPolicyConfig::custom("never grows", NeverGrows { asked: asked.clone() }).unwrap()
}

/// Trying growths out changes nothing in the run, bit for bit.
#[test]
fn branches_leave_the_run_as_it_was() {
    let asked = Asked::default();
    let plan = Plan::new(40)
        .with_schedule(stages(&[(2, 20), (4, 30)], 8))
        .with_policy(never_grows(&asked));
    let start = apollo(8, plan);
    let mut control_optim = adamw();
    let control = train(start.clone(), &mut control_optim, 12);

    let mut optim = adamw();
    let mut model = train(start, &mut optim, 6);
    asked.lock().unwrap().clear();
    model.record_loss(5, 1.0);
    let (before, before_state) = (parameters(model.model()), state(&optim));
    let requests = [
        GrowthRequest::next(),
        GrowthRequest::to_stage(2),
        GrowthRequest::next().with_expander(Stacking),
    ];
    for request in requests {
        let (mut branch, mut optim) = (model.branch(), optim.clone());
        branch.grow(&mut optim, &request).unwrap();
        let branch = train(branch, &mut optim, 5);
        assert_eq!((branch.step_count(), model.step_count()), (11, 6));
        assert_eq!(parameters(model.model()), before);
    }
    assert_eq!((parameters(model.model()), state(&optim)), (before, before_state));
    model.adopt(model.branch()).unwrap();
    model = train(model, &mut optim, 6);
    assert_eq!(parameters(model.model()), parameters(control.model()));
    assert_eq!(state(&optim), state(&control_optim));
    let asked = asked.lock().unwrap();
    let steps: Vec<u64> = asked.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [7, 8, 9, 10, 11, 12], "only the run asks its policy");
    let losses: Vec<f64> = asked.iter().flat_map(|(_, losses)| losses.clone()).collect();
    assert_eq!(losses, [1.0], "what the run had recorded before is seen once, by its policy");
}

/// A branch belongs to the moment of the run at which it was made.
#[test]
fn branches_of_other_moments_are_refused_and_change_nothing() {
    let plan = || Plan::new(40).with_schedule(stages(&[(2, 20)], 8));
    let mut optim = adamw();
    let mut model = train(apollo(8, plan()), &mut optim, 6);
    let refused = |model: &mut Apollo<Net>, branch: Branch<Net>, words: &str| {
        let before = (parameters(model.model()), model.step_count(), model.stage());
        let error = model.adopt(branch).unwrap_err();
        assert!(matches!(error, ApolloError::Other(_)), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!((parameters(model.model()), model.step_count(), model.stage()), before);
    };
    let other = train(apollo(8, plan()), &mut adamw(), 6);
    refused(&mut model, other.branch(), "made of another run");
    // A clone is the same run until it goes on.
    let mut clone = model.clone();
    model.adopt(clone.branch()).unwrap();
    refused(&mut model, clone.branch(), "a clone that has parted");
    let early = model.branch();
    train_step(&mut model, &mut optim, 0.01);
    refused(&mut model, early, "this run at step 6 in stage 0 cannot be adopted at step 7");
    let small = model.branch();
    model.grow(&mut optim, &GrowthRequest::next()).unwrap();
    refused(
        &mut model,
        small,
        "this run at step 7 in stage 0 cannot be adopted at step 7 in stage 1",
    );
    clone = load_record(clone, record(&model));
    refused(&mut model, clone.branch(), "a clone that has parted");
    // Of two branches one is adopted, whatever became of it.
    let (mut first, second) = (model.branch(), model.branch());
    first = train(first, &mut optim.clone(), 2);
    model.adopt(first).unwrap();
    assert_eq!(model.step_count(), 9);
    refused(&mut model, second, "this run at step 7 in stage 1 cannot be adopted at step 9");
}

/// The branch that is chosen goes on as a run that had grown that way in the first place.
#[test]
fn the_adopted_branch_trains_on_with_its_optimizer() {
    let plan = Plan::new(40).with_schedule(stages(&[(2, 38), (4, 39)], 8));
    let start = apollo(8, plan.clone());
    let request =
        || GrowthRequest::to_stage(2).with_expander(Stacking).with_moments(MomentPolicy::Copy);

    let mut straight_optim = adamw();
    let mut straight = train(start.clone(), &mut straight_optim, 6);
    let report = straight.grow(&mut straight_optim, &request()).unwrap();
    assert_eq!(report.stacks[0].map, Some(Stacking.map(2, 8).unwrap()));
    assert!(report.state.params_inherited > 0);
    straight = train(straight, &mut straight_optim, 10);

    let mut optim = adamw();
    let mut model = train(start, &mut optim, 6);
    let mut branch = model.branch();
    assert_eq!(branch.grow(&mut optim, &request()).unwrap(), report);
    assert_eq!((branch.stage(), branch.unique_layers()), (2, 8));
    model.adopt(train(branch, &mut optim, 4)).unwrap();
    assert_eq!((model.step_count(), growth_steps(&model)), (10, vec![6]));

    // The record knows how the run grew, which its plan does not say.
    let bytes = record_bytes(&model);
    let resumed = load_record(apollo(8, plan), ModuleRecord::from_bytes(bytes).unwrap());
    assert_eq!(resumed.registry(), model.registry());
    let parents: Vec<_> = model.registry().stacks[0].layers.iter().map(|l| l.copied_from).collect();
    let stacked = [None, None, Some(0), Some(1), Some(0), Some(1), Some(0), Some(1)];
    assert_eq!(parents, stacked);

    let mut resumed_optim = adamw().load_record(optim.to_record());
    let (model, resumed) = (train(model, &mut optim, 6), train(resumed, &mut resumed_optim, 6));
    assert_eq!(parameters(model.model()), parameters(straight.model()));
    assert_eq!(parameters(resumed.model()), parameters(straight.model()));
    assert_eq!(state(&optim), state(&straight_optim));
}

/// A loop that tries growths out before step 6 and keeps the best.
fn with_try_out(
    mut model: Apollo<Net>,
    mut optim: ModuleOptimizer,
    until: u64,
) -> (Apollo<Net>, ModuleOptimizer) {
    while model.step_count() < until {
        if model.step_count() != 6 || model.stage() > 0 {
            model = train(model, &mut optim, 1);
            continue;
        }
        let requests = [GrowthRequest::next(), GrowthRequest::next().with_expander(Stacking)];
        let tried = requests.map(|request| {
            let (mut branch, mut optim) = (model.branch(), optim.clone());
            branch.grow(&mut optim, &request).unwrap();
            let branch = train(branch, &mut optim, 3);
            let loss = branch.model().loss(batch(99, &device())).into_scalar::<f32>();
            (loss, branch, optim)
        });
        let best = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        model.adopt(best.1).unwrap();
        optim = best.2;
    }
    (model, optim)
}

#[test]
fn a_run_that_tries_growths_out_resumes_bit_for_bit() {
    let plan = || {
        let by_hand = never_grows(&Asked::default());
        Plan::new(40).with_schedule(stages(&[(2, 20)], 6)).with_policy(by_hand)
    };
    let start = apollo(6, plan());
    let (whole, whole_optim) = with_try_out(start.clone(), adamw(), 20);
    assert_eq!((growth_steps(&whole), whole.unique_layers()), (vec![6], 6));
    // Before the try-out, at its beginning (it is made again), after it.
    for stop in [5, 6, 9, 10, 15] {
        let mut optim = adamw();
        let (model, state_at) = match stop <= 6 {
            true => {
                let model = train(start.clone(), &mut optim, stop);
                (model, optim)
            }
            false => with_try_out(start.clone(), optim, stop),
        };
        let record = ModuleRecord::from_bytes(record_bytes(&model)).unwrap();
        let resumed = load_record(apollo(6, plan()), record);
        let optim = adamw().load_record(state_at.to_record());
        let (resumed, optim) = with_try_out(resumed, optim, 20);
        let (found, expected) = (parameters(resumed.model()), parameters(whole.model()));
        assert_eq!(found, expected, "stopped before step {stop}");
        assert_eq!(resumed.registry(), whole.registry(), "stopped before step {stop}");
        assert_eq!(state(&optim), state(&whole_optim), "stopped before step {stop}");
    }
}

/// Leaves layers out.
#[derive(Debug, Serialize)]
struct TooFew;

impl Expander for TooFew {
    fn map(&self, source: usize, _target: usize) -> Result<LayerMap, PlanError> {
        Ok(LayerMap::identity(source))
    }
}

#[test]
fn wrong_growths_by_hand_are_refused_and_change_nothing() {
    let plan = || Plan::new(40).with_schedule(stages(&[(2, 20)], 4));
    let mut optim = adamw();
    let mut model = train(apollo(4, plan()), &mut optim, 3);
    let (before, before_state) = (parameters(model.model()), state(&optim));
    let too_few = ExpanderConfig::custom("too few", TooFew).unwrap();
    let wrong = [
        GrowthRequest::to_stage(0),
        GrowthRequest::to_stage(2),
        GrowthRequest::next().with_expander(too_few),
    ];
    let unchanged = |model: &Apollo<Net>, optim: &ModuleOptimizer| {
        assert_eq!(
            (parameters(model.model()), state(optim)),
            (before.clone(), before_state.clone())
        )
    };
    for wrong in wrong {
        let error = model.grow(&mut optim, &wrong).unwrap_err();
        assert!(matches!(error, ApolloError::Growth { step: 3, .. }), "{error}");
        unchanged(&model, &optim);
        let error = model.branch().grow(&mut optim, &wrong).unwrap_err();
        assert!(matches!(error, ApolloError::Growth { step: 3, .. }), "{error}");
        unchanged(&model, &optim);
    }
    model = train(model, &mut optim, 1); // a loop that asks for too much may go on
    let mut other = load_record(apollo(4, plan()), record(&model));
    other.grow(&mut adamw(), &GrowthRequest::next()).unwrap();
    let error = other.grow(&mut adamw(), &GrowthRequest::next()).unwrap_err();
    let ApolloError::Growth { cause, .. } = error else { panic!("{error}") };
    assert!(cause.to_string().contains("2 stages"), "no stage is left: {cause}");
}

/// A layer with running statistics, which Burn's clones share.
#[derive(Module, Debug)]
struct NormedNet {
    blocks: LayerStack<Linear>,
    norm: BatchNorm,
}

growable!(NormedNet { blocks });

impl NormedNet {
    fn new(device: &Device) -> Self {
        Self {
            blocks: (0..2).map(|_| LinearConfig::new(WIDTH, WIDTH).init(device)).collect(),
            norm: BatchNormConfig::new(WIDTH).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.blocks.iter().fold(x, |x, b| x.clone() + b.forward(self.norm.forward(x)).tanh())
    }

    fn mean(&self) -> Vec<f32> {
        self.norm.running_mean.value_sync().into_data().iter::<f32>().collect()
    }
}

#[test]
fn a_branch_has_running_statistics_of_its_own() {
    let plan = Plan::new(10).with_schedule(Schedule::one_hop(&[1], &[2], 0.5));
    let mut model = Apollo::new(NormedNet::new(&device()), plan).unwrap();
    model.model().forward(batch(0, &device()));
    let before = model.model().mean();
    assert!(before.iter().any(|x| *x != 0.0));
    let branch = model.branch();
    assert_eq!(branch.model().mean(), before);
    branch.model().forward(batch(1, &device()));
    assert_eq!(model.model().mean(), before);
    let after = branch.model().mean();
    model.adopt(branch).unwrap();
    assert_ne!(after, before);
    assert_eq!(model.model().mean(), after);
}
