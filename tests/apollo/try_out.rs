//! Growths that a training loop makes itself: tried out on branches, adopted, refused.

mod support;

use std::sync::{Arc, Mutex};

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn_apollo::expand::{ExpandError, Expander, LayerMap, Stacking};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::schedule::{Decision, GrowthPolicy, LossFeed, Observation, Schedule};
use burn_apollo::stack::{Growable, GrowableStack, LayerStack};
use burn_apollo::{Apollo, ApolloConfig, ApolloError, Growth};
use support::{Net, WIDTH, adamw, apollo, batch, device, parameters, stages, state, train};

#[derive(Debug, Clone)]
struct NeverAsked(Arc<Mutex<Vec<u64>>>);

impl GrowthPolicy for NeverAsked {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        assert!(now.losses.iter().all(|p| p.loss != 666.0), "a loss of a branch");
        self.0.lock().unwrap().push(now.step);
        Decision::Stay
    }
}

/// Trying growths out changes nothing in the run, bit for bit.
#[test]
fn branches_leave_the_run_as_it_was() {
    let (asked, seen, feed) = (Arc::default(), Arc::new(Mutex::new(0)), LossFeed::default());
    let told = seen.clone();
    let config = ApolloConfig::new(40)
        .with_schedule(stages(&[(2, 20), (4, 30)], 8))
        .with_policy(NeverAsked(Arc::clone(&asked)))
        .with_losses(feed.clone())
        .on_growth(move |_| *told.lock().unwrap() += 1);
    let start = apollo(8, config);
    let mut control_optim = adamw();
    let control = train(start.clone(), &mut control_optim, 12);

    let mut optim = adamw();
    let mut model = train(start, &mut optim, 6);
    asked.lock().unwrap().clear();
    let (before, before_state) = (parameters(&model), state(&optim));
    for growth in [Growth::next(), Growth::to_stage(2), Growth::next().with_expander(Stacking)] {
        let (mut branch, mut optim) = (model.branch(), optim.clone());
        branch.grow_now(&mut optim, &growth).unwrap();
        feed.push(666.0);
        let branch = train(branch, &mut optim, 5);
        assert_eq!(branch.step_count(), 11);
    }
    assert_eq!((parameters(&model), state(&optim)), (before, before_state));
    model.adopt(model.branch()).unwrap();
    feed.push(1.0);
    model = train(model, &mut optim, 6);
    assert_eq!(parameters(&model), parameters(&control));
    assert_eq!(state(&optim), state(&control_optim));
    assert_eq!(*asked.lock().unwrap(), [7, 8, 9, 10, 11, 12], "only the run asks its policy");
    assert_eq!(*seen.lock().unwrap(), 0, "growths of branches that were dropped are not told");
}

/// The branch that is chosen goes on as a run that had grown that way in the first place.
#[test]
fn the_adopted_branch_trains_on_with_its_optimizer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let config = ApolloConfig::new(40)
        .with_schedule(stages(&[(2, 38), (4, 39)], 8))
        .on_growth(move |report| told.lock().unwrap().push(report.clone()));
    let start = apollo(8, config.clone());
    let growth = || Growth::to_stage(2).with_expander(Stacking).with_moments(MomentPolicy::Copy);

    let mut straight_optim = adamw();
    let mut straight = train(start.clone(), &mut straight_optim, 6);
    let report = straight.grow_now(&mut straight_optim, &growth()).unwrap();
    assert_eq!(straight.growth().unwrap(), Some(report.clone()));
    assert_eq!(report.stacks[0].map, Some(Stacking.map(2, 8).unwrap()));
    assert!(report.state.params_inherited > 0);
    straight = train(straight, &mut straight_optim, 10);

    let mut optim = adamw();
    let mut model = train(start, &mut optim, 6);
    let mut branch = model.branch();
    branch.grow_now(&mut optim, &growth()).unwrap();
    let branch = train(branch, &mut optim, 4);
    model.adopt(branch).unwrap();
    assert_eq!(model.growth().unwrap(), Some(report.clone()));
    assert_eq!(*seen.lock().unwrap(), [(*report).clone(), (*report).clone()]);
    assert_eq!((model.step_count(), model.growth_steps()), (10, &[6][..]));

    // The record knows how the run grew, which its plan does not say.
    let bytes = model.clone().into_record().into_bytes().unwrap();
    let resumed = apollo(8, config).load_record(ModuleRecord::from_bytes(bytes).unwrap());
    assert_eq!(resumed.registry(), model.registry());
    let parents: Vec<_> = model.registry().stacks[0].layers.iter().map(|l| l.copied_from).collect();
    let stacked = [None, None, Some(0), Some(1), Some(0), Some(1), Some(0), Some(1)];
    assert_eq!(parents, stacked);

    let mut resumed_optim = adamw().load_record(optim.to_record());
    let (model, resumed) = (train(model, &mut optim, 6), train(resumed, &mut resumed_optim, 6));
    assert_eq!(parameters(&model), parameters(&straight));
    assert_eq!(parameters(&resumed), parameters(&straight));
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
        let candidates = [Growth::next(), Growth::next().with_expander(Stacking)];
        let tried = candidates.map(|growth| {
            let (mut branch, mut optim) = (model.branch(), optim.clone());
            branch.grow_now(&mut optim, &growth).unwrap();
            let branch = train(branch, &mut optim, 3);
            (branch.loss(batch(99, &device())).into_scalar::<f32>(), branch, optim)
        });
        let best = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        model.adopt(best.1).unwrap();
        optim = best.2;
    }
    (model, optim)
}

#[test]
fn a_run_that_tries_growths_out_resumes_bit_for_bit() {
    let config = || {
        let by_hand = NeverAsked(Arc::default());
        ApolloConfig::new(40).with_schedule(stages(&[(2, 20)], 6)).with_policy(by_hand)
    };
    let start = apollo(6, config());
    let (whole, whole_optim) = with_try_out(start.clone(), adamw(), 20);
    assert_eq!((whole.growth_steps(), whole.unique_layers()), (&[6][..], 6));
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
        let record = ModuleRecord::from_bytes(model.into_record().into_bytes().unwrap()).unwrap();
        let resumed = apollo(6, config()).load_record(record);
        let optim = adamw().load_record(state_at.to_record());
        let (resumed, optim) = with_try_out(resumed, optim, 20);
        assert_eq!(parameters(&resumed), parameters(&whole), "stopped before step {stop}");
        assert_eq!(resumed.registry(), whole.registry(), "stopped before step {stop}");
        assert_eq!(state(&optim), state(&whole_optim), "stopped before step {stop}");
    }
}

/// Leaves layers out.
#[derive(Debug)]
struct TooFew;

impl Expander for TooFew {
    fn map(&self, source: usize, _target: usize) -> Result<LayerMap, ExpandError> {
        Ok(LayerMap::identity(source))
    }
}

#[test]
fn wrong_growths_by_hand_are_refused_and_change_nothing() {
    let config = || ApolloConfig::new(40).with_schedule(stages(&[(2, 20)], 4));
    let mut optim = adamw();
    let mut model = train(apollo(4, config()), &mut optim, 3);
    let (before, before_state) = (parameters(&model), state(&optim));
    for wrong in [Growth::to_stage(0), Growth::to_stage(2), Growth::next().with_expander(TooFew)] {
        let error = model.grow_now(&mut optim, &wrong).unwrap_err();
        assert!(matches!(error, ApolloError::Growth { step: 3, .. }), "{error}");
        assert_eq!((parameters(&model), state(&optim)), (before.clone(), before_state.clone()));
        assert!(model.growth().is_ok(), "a loop that asks for too much may go on");
    }
    let mut other = apollo(4, config());
    assert!(matches!(model.adopt(other.branch()), Err(ApolloError::NotABranch)));
    assert!(matches!(model.adopt(model.clone()), Err(ApolloError::NotABranch)));
    assert_eq!(parameters(&model), before);
    other.grow_now(&mut adamw(), &Growth::next()).unwrap();
    let error = other.grow_now(&mut adamw(), &Growth::next()).unwrap_err();
    assert!(error.to_string().contains("2 stages"), "no stage is left: {error}");
}

/// A layer with running statistics, which Burn's clones share.
#[derive(Module, Debug)]
struct NormedNet {
    blocks: LayerStack<Linear>,
    norm: BatchNorm,
}

impl Growable for NormedNet {
    fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
        vec![&mut self.blocks]
    }
}

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
    let config = ApolloConfig::new(10).with_schedule(Schedule::one_hop(&[1], &[2], 0.5));
    let mut model = Apollo::new(NormedNet::new(&device()), config).unwrap();
    model.forward(batch(0, &device()));
    let before = model.mean();
    assert!(before.iter().any(|x| *x != 0.0));
    let branch = model.branch();
    assert_eq!(branch.mean(), before);
    branch.forward(batch(1, &device()));
    assert_eq!(model.mean(), before);
    let after = branch.mean();
    assert_ne!(after, before);
    model.adopt(branch).unwrap();
    assert_eq!(model.mean(), after);
}
