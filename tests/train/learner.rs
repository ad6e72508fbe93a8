//! A run inside burn-train: every strategy, its checkpoints, metrics and interrupter.

use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, Progress};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::AdamWConfig;
use burn::tensor::{Device, Tensor};
use burn::train::metric::store::EventStoreClient;
use burn::train::metric::{LossMetric, Metric, MetricMetadata};
use burn::train::{
    EarlyStoppingStrategy, ExecutionStrategy, Interrupter, Learner, MultiDeviceOptim,
    SupervisedTraining, TrainStep, TrainingStrategy,
};
use burn_apollo::depth::DrawPer;
use burn_apollo::optim::{MomentOrders, MomentPolicy};
use burn_apollo::policy::LossPlateau;
use burn_apollo::train::{LossRecorder, StepMetric, Trainable};
use burn_apollo::{Apollo, Plan, apollo::ApolloError};

use crate::support::burn_train::{Growths, Model, Rows, model, trained};
use crate::support::{self, Net, bits, grads_of, growth_steps, stages};

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

fn learner(model: Model) -> Learner<Model> {
    let scheduler = CosineAnnealingLrSchedulerConfig::new(0.01, 40).init().unwrap();
    Learner::new(model, AdamWConfig::new().init(), scheduler)
}

/// Trains `apollo`, which must go well.
fn launch(training: SupervisedTraining<Model>, apollo: Apollo<Net>) -> Apollo<Net> {
    let model = model(apollo, &training);
    trained(training.launch(learner(model)))
}

fn training(dir: &Path) -> SupervisedTraining<Model> {
    SupervisedTraining::new(dir, loader(), loader())
        .num_epochs(4)
        .with_application_logger(None)
        .metrics((LossMetric::new(),))
}

fn growths(apollo: &Apollo<Net>) -> (u64, Vec<u64>, usize) {
    (apollo.step_count(), growth_steps(apollo), apollo.unique_layers())
}

#[test]
fn a_single_device_grows_and_tells_its_depths() {
    let dir = tempfile::tempdir().unwrap();
    let start = apollo(plan());
    let (ran, told) = (start.model().ran.clone(), Growths::default());
    let training = training(dir.path());
    let model = told.observed(model(start.clone(), &training));
    let result = training
        .metric_train_numeric(StepMetric::virtual_depth(&model))
        .metric_train_numeric(StepMetric::unique_layers(&model))
        .launch(learner(model));
    let result = trained(result);
    assert_eq!(growths(&result), (40, vec![12, 25], 6));
    assert_eq!(told.steps(), [12, 25], "every growth is told once");

    // The metric's own files hold the depth of every step: those at which the model ran.
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
    let (depths, layers) = (ran.depths(), ran.unique_layers());
    assert_eq!(depths.len(), 40);
    assert_eq!(written("Virtual_Depth"), depths);
    assert_eq!(written("Unique_Layers"), layers);
    assert!(depths.iter().zip(&layers).any(|(depth, layers)| depth > layers));

    // A hand-written loop over the same calls gives the same model, bit for bit.
    let mut by_hand = start;
    let mut optim = AdamWConfig::new().init();
    let mut scheduler = CosineAnnealingLrSchedulerConfig::new(0.01, 40).init().unwrap();
    for _ in 0..4 {
        let loader = loader().to_device(&device().autodiff());
        for x in loader.iter() {
            assert_eq!(depths[by_hand.step_count() as usize], by_hand.depth());
            let grads = grads_of(&by_hand.model().loss(x.unwrap()), &by_hand);
            by_hand.update(&mut optim, scheduler.step(), grads).unwrap();
        }
    }
    assert_eq!(bits(by_hand.model()), bits(result.model()));
}

#[test]
fn checkpoints_of_burn_train_resume_at_the_right_stage_and_step() {
    let whole_dir = tempfile::tempdir().unwrap();
    let whole = launch(training(whole_dir.path()), apollo(plan()));
    for stopped_after in [1, 2, 3] {
        let dir = tempfile::tempdir().unwrap();
        let training = || training(dir.path()).with_default_checkpointers();
        let first = launch(training().num_epochs(stopped_after), apollo(plan()));
        assert_eq!(first.step_count(), 10 * stopped_after as u64);
        let resumed = launch(training().checkpoint(stopped_after), apollo(plan()));
        assert_eq!(growths(&resumed), growths(&whole));
        let (found, expected) = (bits(resumed.model()), bits(whole.model()));
        assert_eq!(found, expected, "stopped after epoch {stopped_after}");
    }
}

#[test]
fn gradient_accumulation_counts_optimizer_steps() {
    let run = |per: DrawPer| {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan::new(20).with_schedule(stages(&[(1, 8), (3, 12)], 6)).with_draw_per(per);
        let start = apollo(plan);
        let ran = start.model().ran.clone();
        let result = launch(training(dir.path()).grads_accumulation(2), start);
        assert_eq!(growths(&result), (20, vec![8, 12], 6));
        let (depths, layers) = (ran.depths(), ran.unique_layers());
        assert_eq!(depths.len(), 40);
        // The micro-batches of a step run in one stage: a growth comes between steps.
        let stages: Vec<usize> = (0..40)
            .map(|batch| [1, 3, 6][[8, 12].iter().filter(|g| batch / 2 >= **g).count()])
            .collect();
        assert_eq!(layers, stages);
        depths.chunks(2).filter(|pair| pair[0] != pair[1]).count()
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
        let training =
            training(dir.path()).with_training_strategy(TrainingStrategy::Default(strategy));
        let result = launch(training, apollo(plan));
        assert_eq!(growths(&result), (20, vec![6, 12], 6));
        bits(result.model())
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
        let mut net = Net::new(6, &device().autodiff());
        let losses = LossRecorder::default();
        losses.record(1e9); // of another run: it is dropped
        net.losses = Some(losses.clone());
        let plan = Plan::new(40)
            .with_schedule(stages(&[(1, 38)], 6))
            .with_policy(LossPlateau::new(5).unwrap().with_threshold(0.2).unwrap());
        let training = training(dir.path());
        let model = model(Apollo::new(net, plan).unwrap(), &training).with_losses(&losses);
        growth_steps(&trained(training.launch(learner(model))))
    };
    let grown = run();
    assert!(grown.len() == 1 && (6..38).contains(&grown[0]), "{grown:?}");
    assert_eq!(run(), grown);
}

#[test]
fn micro_batches_run_at_the_depth_that_is_told() {
    let plan =
        Plan::new(90).with_schedule(stages(&[(1, 80)], 12)).with_draw_per(DrawPer::MicroBatch);
    let apollo = Apollo::new(Net::new(12, &device().autodiff()), plan).unwrap();
    let model = Trainable::new(apollo, Interrupter::new());
    let mut metric = StepMetric::virtual_depth(&model);
    let mut seen = Vec::new();
    for _ in 0..24 {
        model.apollo().model().calls.take();
        TrainStep::step(&model, support::batch(0, &device().autodiff()));
        let told = told(&mut metric).unwrap();
        assert_eq!(model.apollo().model().calls.take(), told);
        seen.push(told);
    }
    assert_eq!(told(&mut metric), None, "each step is told once");
    assert!(seen.iter().any(|d| *d != seen[0]), "{seen:?}");
}

/// What a metric tells of the next step.
fn told(metric: &mut StepMetric) -> Option<usize> {
    let progress = Progress { items_processed: 1, items_total: 1, unit: None };
    let metadata = MetricMetadata { progress, iteration: None, lr: None };
    let entry = metric.update(&(), &metadata).unwrap();
    let depth = entry.serialized.split(',').next()?.parse::<f64>().ok()?;
    Some(depth as usize)
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
    let result = launch(training(dir.path()).early_stopping(AfterEpoch(2)), apollo(plan()));
    assert_eq!(growths(&result), (20, vec![12], 3));
}

#[test]
fn a_failed_growth_stops_the_training_with_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan().with_moments(MomentPolicy::Scaled).with_moment_orders(MomentOrders::none());
    let training = training(dir.path());
    let told = Growths::default();
    let model = told.observed(model(apollo(plan), &training));
    let result = training.launch(learner(model));
    let cause = result.error.expect("the run stops on an error").to_string();
    assert!(cause.contains("growth to stage 1") && cause.contains("moment_1"), "{cause}");
    assert!(told.steps().is_empty(), "it did not grow");
    let error = result.model.clone().into_apollo().unwrap_err();
    let ApolloError::Failed(error) = error else { panic!("{error}") };
    assert!(matches!(&*error, ApolloError::Growth { stage: 1, step: 12, .. }), "{error}");
    let failed = result.model.into_failed_apollo();
    assert_eq!((failed.step_count(), failed.unique_layers()), (12, 1));
}
