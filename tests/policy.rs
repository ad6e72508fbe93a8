//! Growth policies of a user's own, and what they need: gradients of each use of a shared layer, numbers that the loop
//! measures, targets, and growths that are tried out first.

mod support;

use std::sync::{Arc, Mutex};

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::depth::ConstantHigh;
use burn_apollo::expand::{ExpandError, Expander, LayerMap, Stacking};
use burn_apollo::optim::MomentPolicy;
use burn_apollo::schedule::{
    Decision, GrowthPolicy, LossFeed, Observation, Schedule, ScheduleError,
};
use burn_apollo::stack::{Growable, GrowableStack, LayerStack};
use burn_apollo::{Apollo, ApolloConfig, ApolloError, Growth};
use support::{
    Net, WIDTH, adamw, apollo, batch, bits, device, parameters, stages, train, train_step,
};

/// 2 unique layers of 7, all used at depth 7: layer 0 four times, layer 1 three times.
fn shared() -> Apollo<Net> {
    let config =
        ApolloConfig::new(40).with_schedule(stages(&[(2, 20)], 7)).with_sampler(ConstantHigh);
    train(apollo(7, config), &mut adamw(), 3)
}

fn gradients(model: &Net, x: &Tensor<2>) -> GradientsParams {
    GradientsParams::from_grads(model.loss(x.clone()).backward(), model)
}

fn floats<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
    x.to_data().iter::<f32>().collect()
}

#[test]
fn the_gradients_of_the_uses_sum_up_to_the_shared_one() {
    let (apollo, x) = (shared(), batch(9, &device()));
    let untied = apollo.untied();
    let loss = |net: &Net| net.loss(x.clone()).into_scalar::<f32>().to_bits();
    assert_eq!(loss(&untied), loss(&apollo), "the same function");

    let tied = untied.tie(gradients(&untied, &x));
    let expected = gradients(&apollo, &x);
    assert_eq!(tied.len(), expected.len());
    for (path, (id, _)) in parameters(&*apollo) {
        let of = |grads: &GradientsParams| match path.ends_with("bias") {
            true => floats(&grads.get::<1>(id).unwrap()),
            false => floats(&grads.get::<2>(id).unwrap()),
        };
        assert_eq!(of(&tied), of(&expected), "{path}, to the last bit");
    }
}

#[test]
fn every_use_has_ids_and_a_gradient_of_its_own() {
    let (apollo, x) = (shared(), batch(9, &device()));
    let untied = apollo.untied();
    let mut ids: Vec<_> = parameters(&*untied).into_values().map(|(id, _)| id).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert_eq!(parameters(&*untied), parameters(&*apollo.untied()), "ids are deterministic");

    let layers = &untied.layers()[0];
    assert_eq!(layers.iter().map(|l| l[0].copies).collect::<Vec<_>>(), [4, 4, 4, 4, 3, 3, 3]);
    let unique: Vec<_> =
        apollo.registry().stacks[0].layers.iter().map(|l| l.params[0].id.clone()).collect();
    let parents: Vec<_> = layers.iter().map(|l| l[0].parent.unwrap().val().to_string()).collect();
    assert_eq!(parents[..4], vec![unique[0].clone(); 4]);
    assert_eq!(parents[4..], vec![unique[1].clone(); 3]);

    // The slope of the loss in one weight of one use.
    let rows = untied.gradients(&gradients(&untied, &x)).remove(0);
    assert_eq!(rows.len(), 7);
    for (layer, row) in rows.iter().enumerate() {
        let row = floats(row);
        assert_eq!(row.len(), WIDTH * WIDTH + WIDTH);
        let at = |delta: f32| {
            let mut model = untied.model().clone();
            model.blocks.layers_mut()[layer].nudge(1, 2, delta);
            f64::from(model.loss(x.clone()).into_scalar::<f32>())
        };
        let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
        let found = f64::from(row[WIDTH + 2]);
        assert!((slope - found).abs() < 2e-2 * found.abs().max(0.1), "{layer}: {slope} {found}");
    }
}

#[test]
fn training_on_untied_gradients_is_training() {
    let config = || ApolloConfig::new(20).with_schedule(stages(&[(1, 5), (3, 10)], 6));
    let (mut plain, mut untied) = (apollo(6, config()), apollo(6, config()));
    let (mut plain_optim, mut optim) = (adamw(), adamw());
    for step in 0..20 {
        (plain, _) = train_step(plain, &mut plain_optim, 0.01);
        let model = untied.untied();
        let grads = model.tie(gradients(&model, &batch(step, &device())));
        untied = untied.optimize(&mut optim, 0.01, grads);
        assert_eq!(bits(&untied), bits(&plain), "step {step}");
    }
}

/// Grows to the stage that a measurement names, and remembers how much it has heard.
#[derive(Debug, Clone, Default)]
struct AsMeasured {
    heard: f64,
}

impl GrowthPolicy for AsMeasured {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        for measurement in now.measured.iter().filter(|m| m.name == "push") {
            assert_eq!(measurement.step + 1, now.step, "of the step that was done last");
            self.heard += measurement.value;
        }
        // Stages 0, 1, 3: the second growth leaves a stage out.
        match (now.stage, self.heard) {
            (0, heard) if heard >= 3.0 => Decision::Grow,
            (1, heard) if heard >= 6.0 => Decision::GrowTo(now.stages - 1),
            _ => Decision::Stay,
        }
    }

    fn state(&self) -> Vec<f64> {
        vec![self.heard]
    }

    fn restore(&mut self, state: &[f64]) -> Result<(), ScheduleError> {
        let [heard] = *state else {
            let (policy, expected, found) = ("AsMeasured", 1, state.len());
            return Err(ScheduleError::PolicyState { policy, expected, found });
        };
        self.heard = heard;
        Ok(())
    }
}

fn measured_config(feed: &LossFeed) -> ApolloConfig {
    ApolloConfig::new(40)
        .with_schedule(stages(&[(1, 37), (2, 38), (4, 39)], 6))
        .with_policy(AsMeasured::default())
        .with_losses(feed.clone())
        .with_seed(3)
}

/// A step that measures 0.5 at even steps: growths before steps 11 and 23.
fn measured_step(
    apollo: Apollo<Net>,
    optim: &mut ModuleOptimizer,
    feed: &LossFeed,
) -> (Apollo<Net>, u32) {
    if apollo.step_count().is_multiple_of(2) {
        feed.measure("push", 0.5);
        feed.measure("something else", 100.0);
    }
    train_step(apollo, optim, 0.01)
}

#[test]
fn a_policy_of_ones_own_resumes_bit_for_bit_around_its_growths() {
    let feed = LossFeed::default();
    let (mut model, mut optim) = (apollo(6, measured_config(&feed)), adamw());
    let (mut saved, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let record = model.clone().into_record().into_bytes().unwrap();
        saved.push((record, optim.to_record().into_bytes().unwrap()));
        let loss;
        (model, loss) = measured_step(model, &mut optim, &feed);
        model.growth().unwrap();
        losses.push((model.depth(), loss));
    }
    assert_eq!((model.growth_steps(), model.stage()), (&[11, 23][..], 3));
    assert_eq!(model.unique_layers(), 6);
    for step in [0, 1, 9, 10, 11, 12, 21, 22, 23, 24, 39] {
        let (record, state) = saved[step].clone();
        let feed = LossFeed::default();
        let fresh = Apollo::new(Net::random(6, &device()), measured_config(&feed)).unwrap();
        let mut resumed = fresh.load_record(ModuleRecord::from_bytes(record).unwrap());
        let mut optim = adamw().load_record(OptimizerRecord::from_bytes(state).unwrap());
        for (i, expected) in losses.iter().enumerate().skip(step) {
            let loss;
            (resumed, loss) = measured_step(resumed, &mut optim, &feed);
            assert_eq!((resumed.depth(), loss), *expected, "step {i}, resumed at {step}");
        }
        assert_eq!(parameters(&resumed), parameters(&model), "resumed at {step}");
        assert_eq!(resumed.registry(), model.registry(), "resumed at {step}");
    }
}

/// What was measured, but not heard, goes into the checkpoint.
#[test]
fn measurements_that_wait_are_part_of_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path(), Retention::last(1)).unwrap();
    let scheduler = || {
        use burn::lr_scheduler::{constant::ConstantLr, module_lr_scheduler::ModuleLrScheduler};
        ModuleLrScheduler::new(ConstantLr::new(0.01))
    };
    let feed = LossFeed::default();
    let (mut model, mut optim) = (apollo(6, measured_config(&feed)), adamw());
    for _ in 0..3 {
        (model, _) = train_step(model, &mut optim, 0.01);
    }
    feed.measure("push", 3.0);
    store.save(Snapshot::new(&model, &optim, &scheduler()).unwrap()).unwrap();

    let feed = LossFeed::default();
    let set = store.latest_good().unwrap().unwrap().set;
    let (resumed, mut optim, _) =
        set.load(apollo(6, measured_config(&feed)), adamw(), scheduler()).unwrap();
    let (resumed, _) = train_step(resumed, &mut optim, 0.01);
    assert_eq!(resumed.growth_steps(), [4]);
}

#[derive(Debug, Clone)]
struct Answers(Decision);

impl GrowthPolicy for Answers {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        match now.step {
            2 => Decision::Grow,
            5 => self.0,
            _ => Decision::Stay,
        }
    }
}

#[test]
fn a_target_that_does_not_exist_is_a_typed_error_and_changes_nothing() {
    let config = |answer| {
        ApolloConfig::new(40)
            .with_schedule(stages(&[(1, 10), (2, 20), (4, 30)], 6))
            .with_policy(Answers(answer))
    };
    let mut control_optim = adamw();
    let control = train(apollo(6, config(Decision::Stay)), &mut control_optim, 5);
    for wrong in [0, 1, 4, usize::MAX] {
        let mut optim = adamw();
        let model = train(apollo(6, config(Decision::GrowTo(wrong))), &mut optim, 4);
        let (model, _) = train_step(model, &mut optim, 0.01);
        let error = model.growth().unwrap_err();
        let ApolloError::Growth { stage, step: 5, cause } = &*error else { panic!("{error}") };
        assert_eq!(*stage, wrong);
        let expected = ScheduleError::Target { stage: wrong, current: 1, stages: 4 };
        assert!(matches!(&**cause, ApolloError::Schedule(found) if *found == expected), "{cause}");
        assert_eq!(parameters(&model), parameters_like(&model, &control));
        assert_eq!(state(&optim), state(&control_optim));
        assert!(matches!(model.into_inner(), Err(ApolloError::Failed(_))));
    }
    let mut optim = adamw();
    let right = train(apollo(6, config(Decision::GrowTo(3))), &mut optim, 5);
    assert_eq!((right.stage(), right.unique_layers(), right.depth()), (3, 6, 6));
}

/// The values of `other` under the ids of `model`: nets built apart have other ids.
fn parameters_like(
    model: &Apollo<Net>,
    other: &Apollo<Net>,
) -> std::collections::BTreeMap<String, (burn::module::ParamId, Vec<u32>)> {
    let (ids, values) = (parameters(model), bits(other));
    assert!(ids.keys().eq(values.keys()));
    ids.into_iter().map(|(path, (id, _))| (path.clone(), (id, values[&path].clone()))).collect()
}

/// The optimizer's numbers, whatever the ids.
fn state(optim: &ModuleOptimizer) -> Vec<Vec<u8>> {
    let reader = burn_pack::Reader::from_bytes(optim.to_record().into_bytes().unwrap()).unwrap();
    let tensors = reader.into_tensors().unwrap().into_iter();
    let mut numbers: Vec<Vec<u8>> = tensors.map(|t| t.into_bytes().unwrap().to_vec()).collect();
    numbers.sort();
    numbers
}

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
        floats(&self.norm.running_mean.value_sync())
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

#[cfg(feature = "train")]
mod inside_burn_train {
    use super::*;
    use burn::data::dataloader::DataLoaderBuilder;
    use burn::data::dataset::InMemDataset;
    use burn::lr_scheduler::constant::ConstantLr;
    use burn::train::{InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep};
    use burn_apollo::stack::Untied;
    use support::burn_train::Rows;

    /// A net whose training step measures how alike the gradients of the first two uses are.
    #[derive(Module, Debug)]
    struct Watched {
        net: Net,
    }

    impl Growable for Watched {
        fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
            self.net.stacks()
        }
    }

    impl Watched {
        fn gradients(&self, x: Tensor<2>) -> GradientsParams {
            let untied = Untied::new(self);
            let grads = untied.net.loss(x).backward();
            let grads = GradientsParams::from_grads(grads, untied.model());
            let uses = untied.gradients(&grads).remove(0);
            let dot = (uses[0].clone() * uses[1].clone()).sum().into_scalar::<f64>();
            self.net.losses.measure("push", if dot.is_finite() { 1.0 } else { 0.0 });
            untied.tie(grads)
        }
    }

    impl TrainStep for Watched {
        type Input = Tensor<2>;
        type Output = <Net as TrainStep>::Output;

        fn step(&self, x: Tensor<2>) -> TrainOutput<Self::Output> {
            let item = TrainStep::step(&self.net, x.clone()).item;
            TrainOutput { grads: self.gradients(x), item }
        }
    }

    impl InferenceStep for Watched {
        type Input = Tensor<2>;
        type Output = <Net as InferenceStep>::Output;

        fn step(&self, x: Tensor<2>) -> Self::Output {
            InferenceStep::step(&self.net, x)
        }
    }

    #[test]
    fn a_policy_that_looks_at_gradients_works_in_burn_train_as_in_a_loop() {
        let start = || {
            let net = Net::new(6, &device());
            let config = measured_config(&net.losses).with_sampler(ConstantHigh);
            Apollo::new(Watched { net }, config).unwrap()
        };
        let loader = || {
            let rows = InMemDataset::new((0..40).collect());
            DataLoaderBuilder::new(Rows).batch_size(4).build(rows)
        };
        let dir = tempfile::tempdir().unwrap();
        let result = SupervisedTraining::new(dir.path(), loader(), loader())
            .with_application_logger(None)
            .num_epochs(1)
            .launch(Learner::new(start(), adamw(), ConstantLr::new(0.01)));
        assert!(result.error.is_none(), "{:?}", result.error);
        assert_eq!((result.model.growth_steps(), result.model.stage()), (&[3, 6][..], 3));

        let (mut by_hand, mut optim) = (start(), adamw());
        for x in loader().to_device(&device()).iter() {
            let grads = by_hand.gradients(x.unwrap());
            by_hand = by_hand.optimize(&mut optim, 0.01, grads);
        }
        assert_eq!(bits(&by_hand), bits(&result.model));
    }
}
