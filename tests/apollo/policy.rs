//! Growth policies of a user's own, and what they need: gradients of each use of a shared layer, numbers that the loop
//! measures, targets.

mod support;

use std::collections::BTreeMap;

use burn::module::{Module, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::Tensor;
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::depth::ConstantHigh;
use burn_apollo::schedule::{Decision, GrowthPolicy, LossFeed, Observation, ScheduleError};
use burn_apollo::{Apollo, ApolloConfig, ApolloError};
use support::{
    Net, WIDTH, adamw, apollo, batch, bits, device, parameters, stages, state, train, train_step,
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
    assert_eq!(model.growth_stages().collect::<Vec<_>>(), [1, 3]);
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
    assert_eq!(resumed.growth_stages().collect::<Vec<_>>(), [1]);
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
) -> BTreeMap<String, (ParamId, Vec<u32>)> {
    let (ids, values) = (parameters(model), bits(other));
    assert!(ids.keys().eq(values.keys()));
    ids.into_iter().map(|(path, (id, _))| (path.clone(), (id, values[&path].clone()))).collect()
}

#[cfg(feature = "train")]
mod inside_burn_train {
    use super::*;
    use burn::data::dataloader::DataLoaderBuilder;
    use burn::data::dataset::InMemDataset;
    use burn::lr_scheduler::constant::ConstantLr;
    use burn::train::{InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep};
    use burn_apollo::stack::{Growable, GrowableStack, Untied};
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
