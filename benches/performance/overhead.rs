//! `Apollo` beside a hand-written Burn loop. Goal: at most 1.01.

use apollo_benches::{Size, adamw};
use apollo_examples::text::corpus::Batch;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use burn::train::{Interrupter, TrainStep};
use burn_apollo::depth::ConstantHigh;
use burn_apollo::schedule::Schedule;
use burn_apollo::train::Trainable;
use burn_apollo::{Plan, apollo::NonFiniteGradients};
use criterion::Criterion;

use super::median;

/// Six unique layers shared at depth 12: a stack in that order without `Apollo`, twice, to see how exact a ratio is here,
/// against `Apollo` in its first stage (policy asked, depth drawn, layers mapped at every step) through burn-train's trait.
pub fn group(criterion: &mut Criterion, device: &Device) {
    for (name, size) in [("tiny", Size::TINY), ("middle", Size::MIDDLE)] {
        let mut group = criterion.benchmark_group(format!("overhead, {name}"));
        let plan = Plan::new(100_000)
            .with_schedule(Schedule::one_hop(&[6], &[12], 0.9))
            .with_sampler(ConstantHigh);
        let run = || size.apollo(plan.clone(), device);
        let mut plain = |name: &str| {
            // The model of a run at depth 12 is a stack in that order, whoever trains it.
            let (mut model, mut optim) = (Some(run().model().clone()), adamw());
            median(&mut group, name, || {
                let (inputs, targets) = size.batch(device);
                let grads = |model| {
                    let loss = apollo_examples::models::gpt::Gpt::loss(model, inputs, targets);
                    GradientsParams::from_grads(loss.backward(), model)
                };
                let grads = model.as_ref().map(grads);
                model = model.take().zip(grads).map(|(m, grads)| optim.step(1e-4, m, grads));
            })
        };
        let times = [plain("hand-written loop"), plain("hand-written loop again")];
        let [baseline, again] = times;
        let mut apollo = |non_finite: NonFiniteGradients| {
            let apollo = run().with_non_finite_gradients(non_finite);
            let (mut model, mut optim) =
                (Some(Trainable::new(apollo, Interrupter::new())), adamw());
            median(&mut group, &format!("Apollo, {non_finite:?}"), || {
                let (inputs, targets) = size.batch(device);
                model = model.take().map(|model| {
                    let output = TrainStep::step(&model, Batch { inputs, targets });
                    TrainStep::optimize(model, &mut optim, 1e-4.into(), output.grads)
                });
            })
        };
        let checked = [NonFiniteGradients::Allow, NonFiniteGradients::Error].map(&mut apollo);
        let names = ["the loop again", "Apollo", "Apollo, gradients looked at"];
        for (what, time) in names.iter().zip([again].into_iter().chain(checked)) {
            if let Some((time, baseline)) = time.zip(baseline) {
                println!("{name}: {what} / hand-written loop = {:.4}", time / baseline);
            }
        }
        group.finish();
    }
}
