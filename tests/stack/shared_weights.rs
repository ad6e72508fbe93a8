//! Virtual depth: the depth that runs, tied copies, gradients.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::train::Interrupter;
use burn_apollo::depth::{DepthSamplerConfig, DrawPer, draw};
use burn_apollo::expand::ExpanderConfig;
use burn_apollo::schedule::Schedule;
use burn_apollo::train::Trainable;
use burn_apollo::{Apollo, Plan, apollo::InferenceDepth};

use crate::support::{Net, adamw, apollo, batch, device, parameters, stages, train_step};

#[test]
fn the_sampled_depth_is_the_depth_that_runs() {
    let mut optim = adamw();
    let mut model = apollo(12, Plan::new(60).with_seed(3));
    let mut seen = BTreeMap::<usize, usize>::new();
    for step in 0..60 {
        let (depth, unique) = (model.depth(), model.unique_layers());
        let drawn = draw(&model.pmfs()[0], 3, step, 0, 0);
        assert_eq!(depth, drawn, "the depth of step {step} is the documented draw");
        model.model().calls.take();
        train_step(&mut model, &mut optim, 0.01);
        let ran = model.model().calls.take();
        assert_eq!(ran, depth, "step {step} with {unique} unique layers");
        *seen.entry(depth).or_default() += 1;
    }
    assert!(seen.len() > 3, "several depths were drawn: {seen:?}");
    assert_eq!((model.stage(), model.unique_layers(), model.depth()), (3, 12, 12));
}

#[test]
fn validation_runs_at_the_inference_depth() {
    let run = |depth: InferenceDepth| {
        let plan = Plan::new(60).with_schedule(stages(&[(3, 30)], 12));
        let apollo = apollo(12, plan).with_inference_depth(depth).unwrap();
        let model = apollo.model().valid();
        model.calls.take();
        model.forward(batch(0, &device().inner()));
        model.calls.take()
    };
    assert_eq!(run(InferenceDepth::Unique), 3);
    assert_eq!(run(InferenceDepth::Full), 12);
    assert_eq!(run(InferenceDepth::At(5)), 5);
    assert_eq!(run(InferenceDepth::At(1)), 3, "never fewer than the unique layers");

    let model = apollo(12, Plan::new(60).with_schedule(stages(&[(3, 30)], 12)));
    assert_eq!(model.at_depth(InferenceDepth::At(7)).unwrap().blocks.depth(), 7);
    let error = model.at_depth(InferenceDepth::At(2)).unwrap_err().to_string();
    assert!(error.contains("stack 0 runs at depths 3..=12 now, found 2"), "{error}");
    let depth = model.depth();
    let trained_again = model.model().valid().train();
    assert_eq!(trained_again.blocks.depth(), depth, "back in training mode");
    let wrapped = Trainable::new(model, Interrupter::new()).valid();
    assert_eq!(wrapped.apollo().model().blocks.depth(), 3, "as burn-train validates");
    assert_eq!(wrapped.train().into_apollo().unwrap().model().blocks.depth(), depth);
}

/// A shared forward is a plain stack of tied copies, bit for bit; the shared gradient is the sum.
#[test]
fn shared_weights_are_tied_copies() {
    let device = device();
    for expander in [ExpanderConfig::Interpolation, ExpanderConfig::Stacking] {
        let plan = Plan::new(60).with_schedule(stages(&[(3, 30)], 12)).with_expander(expander);
        let mut apollo = apollo(12, plan);
        for depth in [3, 4, 5, 7, 8, 12] {
            apollo.set_depth(depth).unwrap();
            let model = apollo.model();
            let order = model.blocks.order().to_vec();
            // `fork` gives every copy leaves of its own.
            let copies: Vec<_> =
                order.iter().map(|i| model.blocks.layers()[*i].clone().fork(&device)).collect();
            let plain = model.with_blocks(copies);

            let x = batch(1, &device);
            let shared_out = model.forward(x.clone()).into_data();
            assert_eq!(shared_out, plain.forward(x.clone()).into_data(), "depth {depth}");

            let shared = model.loss(x.clone()).backward();
            let tied = plain.loss(x).backward();
            for (unique, block) in model.blocks.layers().iter().enumerate() {
                let weight = block.weight().grad(&shared).unwrap();
                let uses = order.iter().zip(plain.blocks.layers()).filter(|(u, _)| **u == unique);
                let sum = uses
                    .map(|(_, copy)| copy.weight().grad(&tied).unwrap())
                    .reduce(|a, b| a + b)
                    .unwrap();
                let size = sum.clone().abs().max().into_scalar::<f32>();
                let gap = (weight - sum).abs().max().into_scalar::<f32>();
                assert!(gap <= 1e-6 * size.max(1.0), "depth {depth}, layer {unique}: {gap}");
            }
        }
    }
}

/// Analytic gradients of shared weights against central differences.
#[test]
fn shared_gradients_agree_with_finite_differences() {
    let mut apollo = apollo(6, Plan::new(60).with_schedule(stages(&[(2, 30)], 6)));
    apollo.set_depth(5).unwrap();
    let model = apollo.model();
    let x = batch(2, &device());
    let grads = model.loss(x.clone()).backward();
    let analytic = model.blocks.layers()[1].weight().grad(&grads).unwrap();
    let h = 1e-2;
    for (row, column) in [(0, 0), (2, 3), (5, 1)] {
        let loss_at = |delta: f32| {
            let mut moved = model.clone();
            let block = &mut moved.blocks.layers_mut()[1];
            block.nudge(row, column, delta);
            moved.loss(x.clone()).into_scalar::<f32>()
        };
        let numeric = (loss_at(h) - loss_at(-h)) / (2.0 * h);
        let found = analytic.clone().slice([row..row + 1, column..column + 1]).into_scalar::<f32>();
        assert!((numeric - found).abs() < 2e-3 * found.abs().max(1.0), "{numeric} against {found}");
    }
}

/// The one-stage schedule is training without us, bit for bit.
#[test]
fn one_stage_is_plain_training() {
    for sampler in [DepthSamplerConfig::ConstantHigh, DepthSamplerConfig::ConstantLow] {
        let plan = Plan::new(10).with_schedule(Schedule::from_scratch(&[4])).with_sampler(sampler);
        let (mut optim, mut plain_optim) = (adamw(), adamw());
        let mut plain = Net::new(4, &device());
        let mut wrapped = Apollo::new(plain.clone(), plan).unwrap();
        for step in 0..10 {
            train_step(&mut wrapped, &mut optim, 0.01);
            let grads = plain.loss(batch(step, &device())).backward();
            let grads = GradientsParams::from_grads(grads, &plain);
            plain = plain_optim.step(0.01, plain, grads);
        }
        assert_eq!(parameters(wrapped.model()), parameters(&plain));
    }
}

#[test]
fn micro_batches_draw_depths_of_their_own() {
    let plan =
        |per| Plan::new(100).with_schedule(stages(&[(1, 90)], 12)).with_draw_per(per).with_seed(1);
    let depths = |per| -> Vec<usize> {
        let model = apollo(12, plan(per));
        (0..64).map(|k| model.micro_batch(k).unwrap().blocks.depth()).collect()
    };
    let per_step = depths(DrawPer::OptimizerStep);
    assert!(per_step.iter().all(|d| *d == per_step[0]));
    let per_batch = depths(DrawPer::MicroBatch);
    let model = apollo(12, plan(DrawPer::MicroBatch));
    let expected: Vec<usize> = (0..64).map(|k| draw(&model.pmfs()[0], 1, 0, k, 0)).collect();
    assert_eq!(per_batch, expected);
    assert!(per_batch.iter().any(|d| *d != per_batch[0]));
    assert_eq!(per_batch[0], per_step[0]);
}
