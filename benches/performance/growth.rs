//! What a growth costs, in steps of the grown model. Goal: below 1.

use std::time::{Duration, Instant};

use apollo_benches::{Size, adamw};
use burn::optim::GradientsParams;
use burn::tensor::Device;
use burn_apollo::Plan;
use burn_apollo::schedule::Schedule;
use criterion::Criterion;

use super::median_of;

pub fn group(criterion: &mut Criterion, device: &Device) {
    let mut group = criterion.benchmark_group("growth");
    group.sample_size(10);
    for layers in [12, 24, 48, 96] {
        let size = Size::MIDDLE.with_layers(layers);
        // Of a short run that grows from half of the layers after its third step.
        let mut measure = |what: &str, pick: fn(&[Duration; 6]) -> Duration| {
            median_of(&mut group, &format!("{layers} layers, {what}"), || {
                pick(&times(size, device))
            })
        };
        let step = measure("a step of the grown model", |t| t[4] + t[5]);
        let update = measure("the update before", |t| t[1]);
        let with_growth = measure("the update with a growth", |t| t[3]);
        if let (Some(step), Some(update), Some(with_growth)) = (step, update, with_growth) {
            let steps = (with_growth - update) / step;
            println!(
                "growth {} → {layers} layers with AdamW state: {steps:.3} training steps",
                layers / 2
            );
        }
    }
    group.finish();
}

/// Forward and backward pass, then the update: of the step before the growth, of the one with it, and of the one after.
fn times(size: Size, device: &Device) -> [Duration; 6] {
    let schedule = Schedule::one_hop(&[size.layers / 2], &[size.layers], 0.03);
    let mut apollo = size.apollo(Plan::new(100).with_schedule(schedule), device);
    let mut optim = adamw();
    size.step(&mut apollo, &mut optim, device);
    let mut times = [Duration::ZERO; 6];
    for pair in times.chunks_exact_mut(2) {
        let (inputs, targets) = size.batch(device);
        let start = Instant::now();
        let loss = apollo.model().loss(inputs, targets);
        let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
        pair[0] = start.elapsed();
        let start = Instant::now();
        apollo.update(&mut optim, 1e-4, grads).expect("the growth has memory");
        pair[1] = start.elapsed();
    }
    assert_eq!((apollo.stage(), apollo.step_count()), (1, 4));
    times
}
