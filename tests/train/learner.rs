//! [`Apollo`] inside burn-train: every strategy, its checkpoints, metrics and interrupter.

use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn::train::metric::LossMetric;
use burn::train::metric::store::EventStoreClient;
use burn::train::{
    EarlyStoppingStrategy, ExecutionStrategy, Learner, LearningResult, MultiDeviceOptim,
    SupervisedTraining, TrainStep, TrainingStrategy,
};
use burn_apollo::depth::DrawPer;
use burn_apollo::metric::StepMetric;
use burn_apollo::optim::{MomentOrders, MomentPolicy};
use burn_apollo::schedule::LossPlateau;
use burn_apollo::{Apollo, Plan, ApolloError};
use crate::support::burn_train::Rows;
use crate::support::{Net, bits, stages};

/// 10 batches of 4 rows, always in the same order.
fn loader() -> Arc<dyn DataLoader<Tensor<2>>> {
    DataLoaderBuilder::new(Rows).batch_size(4).build(InMemDataset::new((0..40).collect()))
}

fn device() -> Device {
    Device::flex()
}

/// 40 optimizer steps: 1 layer until step 12, 3 until 25, then 6.
fn plan() -> Plan {
    Plan::new(40).with_schedule(stages(&[(1, 12), (3, 25)], 6)).with_seed(2)
}

fn apollo(plan: Plan) -> Apollo<Net> {
    Apollo::new(Net::new(6, &device().autodiff()), plan).unwrap()
}

fn learner(apollo: Apollo<Net>) -> Learner<Apollo<Net>> {
    let scheduler = CosineAnnealingLrSchedulerConfig::new(0.01, 40).init().unwrap();
    Learner::new(apollo, AdamWConfig::new().init(), scheduler)
}

fn training(dir: &Path) -> SupervisedTraining<Apollo<Net>> {
    SupervisedTraining::new(dir, loader(), loader())
        .num_epochs(4)
        .with_application_logger(None)
        .metrics((LossMetric::new(),))
}

fn growths(result: &LearningResult<Apollo<Net>>) -> (u64, Vec<u64>, usize) {
    let model = &result.model;
    assert!(result.error.is_none(), "{:?}", result.error);
    (model.step_count(), model.growth_steps().to_vec(), model.unique_layers())
}

#[test]
fn a_single_device_grows_and_tells_its_depths() {
    let dir = tempfile::tempdir().unwrap();
    let model = apollo(plan());
    let log = model.step_log();
    let result = training(dir.path())
        .metric_train_numeric(StepMetric::virtual_depth(&model))
        .metric_train_numeric(StepMetric::unique_layers(&model))
        .launch(learner(model.clone()));
    assert_eq!(growths(&result), (40, vec![12, 25], 6));

    // The metric's own files hold the depth of every step: those of the documented draw.
    let written = |name: &str| -> Vec<usize> {
        let file = |epoch: usize| dir.path().join(format!("train/epoch-{epoch}/{name}.log"));
        let read = |epoch| {
            let file = file(epoch);
            std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
        };
        let all: String = (1..=4).map(read).collect();
        let steps = all.lines().filter(|l| !l.ends_with(",final")); // a line per epoch is its mean
        steps.map(|l| l.split(',').next().unwrap().parse::<f64>().unwrap() as usize).collect()
    };
    let steps: Vec<_> = std::iter::from_fn(|| log.next_step()).collect();
    assert_eq!(steps.len(), 40);
    assert_eq!(written("Virtual_Depth"), steps.iter().map(|s| s.depth).collect::<Vec<_>>());
    assert_eq!(written("Unique_Layers"), steps.iter().map(|s| s.unique_layers).collect::<Vec<_>>());
    assert!(steps.iter().any(|s| s.depth > s.unique_layers));

    // A hand-written loop over the same calls gives the same model, bit for bit.
    let mut by_hand = model;
    let mut optim = AdamWConfig::new().init();
    let mut scheduler = CosineAnnealingLrSchedulerConfig::new(0.01, 40).init().unwrap();
    for _ in 0..4 {
        let loader = loader().to_device(&device().autodiff());
        for x in loader.iter() {
            let lr = scheduler.step();
            let loss = by_hand.loss(x.unwrap());
            let grads = GradientsParams::from_grads(loss.backward(), &by_hand);
            by_hand = by_hand.optimize(&mut optim, lr, grads);
        }
    }
    assert_eq!(bits(&by_hand), bits(&result.model));
}

#[test]
fn checkpoints_of_burn_train_resume_at_the_right_stage_and_step() {
    let whole_dir = tempfile::tempdir().unwrap();
    let whole = training(whole_dir.path()).launch(learner(apollo(plan())));
    for stopped_after in [1, 2, 3] {
        let dir = tempfile::tempdir().unwrap();
        let first = training(dir.path())
            .num_epochs(stopped_after)
            .with_default_checkpointers()
            .launch(learner(apollo(plan())));
        assert_eq!(first.model.step_count(), 10 * stopped_after as u64);
        let resumed = training(dir.path())
            .with_default_checkpointers()
            .checkpoint(stopped_after)
            .launch(learner(apollo(plan())));
        assert_eq!(growths(&resumed), growths(&whole));
        assert_eq!(bits(&resumed.model), bits(&whole.model), "stopped after epoch {stopped_after}");
    }
}

#[test]
fn gradient_accumulation_counts_optimizer_steps() {
    let run = |per: DrawPer| {
        let dir = tempfile::tempdir().unwrap();
        let plan =
            Plan::new(20).with_schedule(stages(&[(1, 8), (3, 12)], 6)).with_draw_per(per);
        let model = apollo(plan);
        let log = model.step_log();
        let result = training(dir.path()).grads_accumulation(2).launch(learner(model));
        assert_eq!(growths(&result), (20, vec![8, 12], 6));
        let steps: Vec<_> = std::iter::from_fn(|| log.next_step()).collect();
        assert_eq!(steps.len(), 40, "every micro-batch is told");
        assert!(steps.chunks(2).all(|pair| pair[0].step == pair[1].step));
        steps.chunks(2).filter(|pair| pair[0].depth != pair[1].depth).count()
    };
    assert_eq!(run(DrawPer::OptimizerStep), 0, "the micro-batches of a step share its depth");
    assert!(run(DrawPer::MicroBatch) > 0, "micro-batches draw depths of their own");
}

#[test]
fn several_devices_train_one_model() {
    let run = |optim| {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan::new(20).with_schedule(stages(&[(1, 6), (3, 12)], 6));
        let devices = vec![device(), device()];
        let strategy = ExecutionStrategy::MultiDevice(devices, optim);
        let result = training(dir.path())
            .with_training_strategy(TrainingStrategy::Default(strategy))
            .launch(learner(apollo(plan)));
        assert_eq!(growths(&result), (20, vec![6, 12], 6));
        bits(&result.model)
    };
    // The same sums, in another place: both strategies train the same model but for rounding.
    let (main, sharded) =
        (run(MultiDeviceOptim::OptimMainDevice), run(MultiDeviceOptim::OptimSharded));
    for (path, values) in &main {
        for (a, b) in values.iter().zip(&sharded[path]) {
            let (a, b) = (f32::from_bits(*a), f32::from_bits(*b));
            assert!((a - b).abs() < 1e-4, "{path}: {a} against {b}");
        }
    }
}

/// A loss-driven policy inside burn-train: the model's step tells its loss, and equal runs grow alike.
#[test]
fn a_plateau_grows_inside_burn_train() {
    let run = || {
        let dir = tempfile::tempdir().unwrap();
        let net = Net::new(6, &device().autodiff());
        net.losses.record(0, f64::NAN);
        let plan = Plan::new(40)
            .with_schedule(stages(&[(1, 38)], 6))
            .with_policy(LossPlateau::new(5).unwrap().with_threshold(0.2).unwrap())
            .with_losses(net.losses.clone());
        let result = training(dir.path()).launch(learner(Apollo::new(net, plan).unwrap()));
        result.model.growth_steps().to_vec()
    };
    let grown = run();
    assert!(grown.len() == 1 && (6..38).contains(&grown[0]), "{grown:?}");
    assert_eq!(run(), grown);
}

#[test]
fn micro_batches_run_at_the_depth_that_is_told() {
    let plan = Plan::new(90)
        .with_schedule(stages(&[(1, 80)], 12))
        .with_draw_per(DrawPer::MicroBatch);
    let model = Apollo::new(Net::new(12, &device().autodiff()), plan).unwrap();
    let log = model.step_log();
    let mut seen = Vec::new();
    for _ in 0..24 {
        model.calls.take();
        TrainStep::step(&model, crate::support::batch(0, &device().autodiff()));
        let told = log.next_step().unwrap().depth;
        assert_eq!(model.calls.take(), told);
        seen.push(told);
    }
    assert!(seen.iter().any(|d| *d != seen[0]), "{seen:?}");
}

#[derive(Clone)]
struct AfterEpoch(usize);

impl EarlyStoppingStrategy for AfterEpoch {
    fn should_stop(&mut self, epoch: usize, _store: &EventStoreClient) -> bool {
        epoch >= self.0
    }
}

#[test]
fn early_stopping_stops_a_growing_run() {
    let dir = tempfile::tempdir().unwrap();
    let result =
        training(dir.path()).early_stopping(AfterEpoch(2)).launch(learner(apollo(plan())));
    assert_eq!(growths(&result), (20, vec![12], 3));
}

#[test]
fn a_failed_growth_stops_the_training_with_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let plan =
        plan().with_moments(MomentPolicy::Scaled).with_moment_orders(MomentOrders::none());
    let training = training(dir.path());
    let model = apollo(plan).with_interrupter(training.interrupter());
    let result = training.launch(learner(model));
    let cause = result.error.expect("the run stops on an error").to_string();
    assert!(cause.contains("growth to stage 1") && cause.contains("moment_1"), "{cause}");
    assert_eq!((result.model.step_count(), result.model.unique_layers()), (12, 1));
    let error = result.model.growth().unwrap_err();
    assert!(matches!(&*error, ApolloError::Growth { stage: 1, step: 12, .. }));
}
