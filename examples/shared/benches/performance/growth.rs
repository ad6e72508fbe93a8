//! What a growth costs, in steps of the grown model. Goal: below 1.

use burn::optim::GradientsParams;
use burn::tensor::Device;
use burn_apollo::Plan;
use burn_apollo::schedule::Schedule;

use super::model::{Size, adamw, median, timed};

pub fn report(device: &Device) {
    for layers in [12, 24, 48, 96] {
        ratio(layers, device);
    }
}

/// The time of `update` with a growth from half of the layers, less that without.
fn ratio(layers: usize, device: &Device) {
    let size = Size::MIDDLE.with_layers(layers);
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let schedule = Schedule::one_hop(&[layers / 2], &[layers], 0.04);
        let mut apollo = size.apollo(Plan::new(100).with_schedule(schedule), device);
        let mut optim = adamw();
        let (mut updates, mut grown_steps) = (Vec::new(), Vec::new());
        for _ in 0..7 {
            let grown = apollo.stage() == 1;
            let (inputs, targets) = size.batch(device);
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
        "growth {} → {layers} layers with AdamW state: {:.3} training steps",
        layers / 2,
        ratios[ratios.len() / 2]
    );
}
