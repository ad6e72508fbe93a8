//! What `Apollo` costs beside a hand-written Burn loop, and what a growth costs, as ratios of one run.
//!
//! ```text
//! cargo bench --bench overhead
//! ```
//!
//! Steps of both kinds alternate, so that both see the same machine; the figure is the ratio of their
//! medians. Goals: overhead at most 1.01, a growth below 2 training steps.

use std::time::{Duration, Instant};

use apollo_examples::models::gpt::{Gpt, GptConfig};
use apollo_examples::text::corpus::Batch;
use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::{Interrupter, TrainStep};
use burn_apollo::checkpoint::{CheckpointStore, Retention, Snapshot};
use burn_apollo::depth::ConstantHigh;
use burn_apollo::schedule::Schedule;
use burn_apollo::train::Trainable;
use burn_apollo::{Apollo, NonFiniteGradients, Plan};

const STEPS: usize = 40;

fn model(device: &Device) -> Gpt {
    GptConfig {
        vocabulary: 256,
        positions: 64,
        width: 128,
        heads: 4,
        layers: 12,
        embedding_std: 0.1,
        linear_std: 0.05,
        dropout: 0.0,
    }
    .init(device)
}

fn batch(device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
    let ids = |shift: i32| {
        let ids: Vec<i32> = (0..8 * 64).map(|i| (i * 7 + shift) % 251).collect();
        Tensor::from_data(TensorData::new(ids, [8, 64]), device)
    };
    (ids(0), ids(7))
}

fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

/// A hand-written Burn loop's step.
fn plain_step(model: Gpt, optim: &mut ModuleOptimizer, device: &Device) -> Gpt {
    let (inputs, targets) = batch(device);
    let loss = model.loss(inputs, targets);
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    optim.step(1e-4, model, grads)
}

fn apollo_step(
    model: Trainable<Gpt>,
    optim: &mut ModuleOptimizer,
    device: &Device,
) -> Trainable<Gpt> {
    let (inputs, targets) = batch(device);
    let output = TrainStep::step(&model, Batch { inputs, targets });
    TrainStep::optimize(model, optim, 1e-4.into(), output.grads)
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

/// Six unique layers shared at depth 12: a stack in that order without `Apollo`, against `Apollo` in its
/// first stage (policy asked, depth drawn, layers mapped at every step) through burn-train's trait.
fn overhead(device: &Device, non_finite: NonFiniteGradients) {
    let plan = Plan::new(10_000)
        .with_schedule(Schedule::one_hop(&[6], &[12], 0.9))
        .with_sampler(ConstantHigh);
    let run = || Apollo::new(model(device), plan.clone()).expect("the plan fits the model");
    // The model of a run at depth 12 is a stack in that order, whoever trains it.
    let mut plain = run().model().clone();
    assert_eq!((plain.h.layers().len(), plain.h.depth()), (6, 12));
    let mut apollo =
        Trainable::new(run().with_non_finite_gradients(non_finite), Interrupter::new());
    let (mut plain_optim, mut apollo_optim) = (adamw(), adamw());
    let (mut plain_times, mut apollo_times) = (Vec::new(), Vec::new());
    for step in 0..STEPS + 3 {
        let (plain_time, apollo_time);
        // Which goes first alternates too.
        if step % 2 == 0 {
            (plain_time, plain) = timed(|| plain_step(plain, &mut plain_optim, device));
            (apollo_time, apollo) = timed(|| apollo_step(apollo, &mut apollo_optim, device));
        } else {
            (apollo_time, apollo) = timed(|| apollo_step(apollo, &mut apollo_optim, device));
            (plain_time, plain) = timed(|| plain_step(plain, &mut plain_optim, device));
        }
        if step >= 3 {
            plain_times.push(plain_time);
            apollo_times.push(apollo_time);
        }
    }
    let ratio = median(apollo_times) / median(plain_times.clone());
    let step = median(plain_times);
    println!(
        "6 layers at depth 12, step {:.0} ms, gradients that are not finite: {non_finite:?}: \
         Apollo / hand-written loop = {ratio:.4}",
        step * 1e3
    );
}

/// The time of `update` with a growth 6 → 12, less that without, in steps of the grown model.
fn growth(device: &Device) {
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let plan = Plan::new(100).with_schedule(Schedule::one_hop(&[6], &[12], 0.04));
        let mut apollo = Apollo::new(model(device), plan).expect("the plan fits the model");
        let mut optim = adamw();
        let mut updates = Vec::new();
        let mut grown_steps = Vec::new();
        for _ in 0..9 {
            let grown = apollo.stage() == 1;
            let (inputs, targets) = batch(device);
            let (forward, grads) = timed(|| {
                let loss = apollo.model().loss(inputs, targets);
                GradientsParams::from_grads(loss.backward(), apollo.model())
            });
            let (update, report) = timed(|| apollo.update(&mut optim, 1e-4, grads));
            report.expect("the growth has memory");
            match grown {
                true => grown_steps.push(forward + update),
                false => updates.push(update),
            }
        }
        let with_growth = updates.pop().expect("four steps in the first stage").as_secs_f64();
        ratios.push((with_growth - median(updates)) / median(grown_steps));
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "growth 6 → 12 layers with AdamW state: {:.3} training steps",
        ratios[ratios.len() / 2]
    );
}

/// A set of the full model with AdamW state, against Burn's three records written one by one, and in training steps.
fn checkpoint(device: &Device) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = CheckpointStore::open(dir.path(), Retention::last(1)).expect("the folder is free");
    let plan = Plan::new(100).with_schedule(Schedule::from_scratch(&[12]));
    let apollo = Apollo::new(model(device), plan).expect("the plan fits the model");
    let mut model = Trainable::new(apollo, Interrupter::new());
    let (mut optim, scheduler) = (adamw(), ModuleLrScheduler::new(ConstantLr::new(1e-4)));
    let (mut steps, mut sets, mut records, mut bytes) = (vec![], vec![], vec![], 0);
    for _ in 0..9 {
        let step;
        (step, model) = timed(|| apollo_step(model, &mut optim, device));
        let (set, report) = timed(|| {
            let snapshot =
                Snapshot::new(model.apollo(), &optim, &scheduler).expect("records have bytes");
            store.save(snapshot).expect("there is room")
        });
        let (record, ()) = timed(|| {
            let save = |name: &str| dir.path().join(name);
            model.clone().into_record().save(save("model")).expect("there is room");
            optim.to_record().save(save("optim")).expect("there is room");
            scheduler.to_record().save(save("scheduler")).expect("there is room");
        });
        bytes = report.bytes;
        steps.push(step);
        sets.push(set);
        records.push(record);
    }
    let (step, set, record) = (median(steps), median(sets), median(records));
    println!(
        "checkpoint of {:.1} MB: {:.2} times Burn's three records, {:.2} training steps",
        bytes as f64 / 1e6,
        set / record,
        set / step
    );
}

fn main() {
    let device = Device::flex().autodiff();
    device.seed(1);
    overhead(&device, NonFiniteGradients::Allow);
    overhead(&device, NonFiniteGradients::Error);
    growth(&device);
    checkpoint(&device);
}
