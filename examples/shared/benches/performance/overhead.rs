//! `Apollo` beside a hand-written Burn loop. Goal: at most 1.01.

use apollo_examples::models::gpt::Gpt;
use apollo_examples::text::corpus::Batch;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::{Interrupter, TrainStep};
use burn_apollo::depth::ConstantHigh;
use burn_apollo::schedule::Schedule;
use burn_apollo::train::Trainable;
use burn_apollo::{NonFiniteGradients, Plan};

use super::model::{Size, adamw, median, timed};

pub fn report(device: &Device) {
    for (name, size, steps) in [("tiny", Size::TINY, 201), ("middle", Size::MIDDLE, 61)] {
        for non_finite in [NonFiniteGradients::Allow, NonFiniteGradients::Error] {
            ratio(name, size, steps, non_finite, device);
        }
    }
}

/// A hand-written Burn loop's step.
fn plain_step(size: Size, model: Gpt, optim: &mut ModuleOptimizer, device: &Device) -> Gpt {
    let (inputs, targets) = size.batch(device);
    let loss = model.loss(inputs, targets);
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    optim.step(1e-4, model, grads)
}

fn apollo_step(
    size: Size,
    model: Trainable<Gpt>,
    optim: &mut ModuleOptimizer,
    device: &Device,
) -> Trainable<Gpt> {
    let (inputs, targets) = size.batch(device);
    let output = TrainStep::step(&model, Batch { inputs, targets });
    TrainStep::optimize(model, optim, 1e-4.into(), output.grads)
}

/// Six unique layers shared at depth 12: a stack in that order without `Apollo`, twice, to see how exact a ratio is here,
/// against `Apollo` in its first stage (policy asked, depth drawn, layers mapped at every step) through burn-train's trait.
fn ratio(name: &str, size: Size, steps: usize, non_finite: NonFiniteGradients, device: &Device) {
    let plan = Plan::new(10_000)
        .with_schedule(Schedule::one_hop(&[6], &[12], 0.9))
        .with_sampler(ConstantHigh);
    let run = || size.apollo(plan.clone(), device);
    // The model of a run at depth 12 is a stack in that order, whoever trains it.
    let mut plain = run().model().clone();
    assert_eq!((plain.h.layers().len(), plain.h.depth()), (6, 12));
    let mut apollo =
        Trainable::new(run().with_non_finite_gradients(non_finite), Interrupter::new());
    let mut again = plain.clone();
    let mut optims = [adamw(), adamw(), adamw()];
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for step in 0..steps + 3 {
        let [first, second, third] = &mut optims;
        let (plain_time, again_time, apollo_time);
        (plain_time, plain) = timed(|| plain_step(size, plain, first, device));
        (again_time, again) = timed(|| plain_step(size, again, second, device));
        (apollo_time, apollo) = timed(|| apollo_step(size, apollo, third, device));
        if step >= 3 {
            let all = times.iter_mut().zip([plain_time, again_time, apollo_time]);
            all.for_each(|(times, time)| times.push(time));
        }
    }
    let [plain, again, apollo] = times.map(median);
    println!(
        "{name} model, step {:.0} ms, gradients that are not finite: {non_finite:?}: Apollo / hand-written loop = {:.4} \
         (a second hand-written loop: {:.4})",
        plain * 1e3,
        apollo / plain,
        again / plain
    );
}
