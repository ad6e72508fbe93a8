//! What a run of [`Apollo`] must keep: depths, shared weights, growth, optimizer state, resume.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use burn::module::{Module, ParamId};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn_apollo::depth::{ConstantHigh, ConstantLow, DepthError, DepthPmf, DepthSampler, DrawPer};
use burn_apollo::expand::{ExpandError, Expander, Interpolation, LayerMap, Stacking};
use burn_apollo::optim::{MomentOrders, MomentPolicy};
use burn_apollo::schedule::{LossFeed, LossPlateau, LrAtGrowth, Schedule};
use burn_apollo::{Apollo, ApolloConfig, ApolloError, InferenceDepth};
use support::{Net, batch, bits, parameters, stages};

fn device() -> Device {
    Device::flex().autodiff()
}

fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

fn apollo(layers: usize, config: ApolloConfig) -> Apollo<Net> {
    Apollo::new(Net::new(layers, &device()), config).unwrap()
}

/// One optimizer step on the batch of its number; gives the loss's bits.
fn train_step(apollo: Apollo<Net>, optim: &mut ModuleOptimizer, lr: f64) -> (Apollo<Net>, u32) {
    let loss = apollo.loss(batch(apollo.step_count(), &device()));
    let bits = loss.clone().into_scalar::<f32>().to_bits();
    let grads = GradientsParams::from_grads(loss.backward(), &apollo);
    (apollo.optimize(optim, lr, grads), bits)
}

fn train(mut apollo: Apollo<Net>, optim: &mut ModuleOptimizer, steps: u64) -> Apollo<Net> {
    for _ in 0..steps {
        (apollo, _) = train_step(apollo, optim, 0.01);
        apollo.growth().unwrap();
    }
    apollo
}

#[test]
fn the_sampled_depth_is_the_depth_that_runs() {
    let mut optim = adamw();
    let mut model = apollo(12, ApolloConfig::new(60).with_seed(3));
    let mut seen = BTreeMap::<usize, usize>::new();
    for step in 0..60 {
        let (depth, unique) = (model.depth(), model.unique_layers());
        assert_eq!(
            depth,
            burn_apollo::depth::draw(&model.pmfs()[0], 3, step, 0, 0),
            "the depth of step {step} is the documented draw"
        );
        model.calls.take();
        (model, _) = train_step(model, &mut optim, 0.01);
        assert_eq!(model.calls.take(), depth, "step {step} with {unique} unique layers");
        *seen.entry(depth).or_default() += 1;
    }
    assert!(seen.len() > 3, "several depths were drawn: {seen:?}");
    assert_eq!((model.stage(), model.unique_layers(), model.depth()), (3, 12, 12));
}

#[test]
fn validation_runs_at_the_inference_depth() {
    let run = |depth: InferenceDepth| {
        let config =
            ApolloConfig::new(60).with_schedule(stages(&[(3, 30)], 12)).with_inference_depth(depth);
        let model = apollo(12, config).valid();
        model.calls.take();
        model.forward(batch(0, &device().inner()));
        model.calls.take()
    };
    assert_eq!(run(InferenceDepth::Unique), 3);
    assert_eq!(run(InferenceDepth::Full), 12);
    assert_eq!(run(InferenceDepth::At(5)), 5);
    assert_eq!(run(InferenceDepth::At(1)), 3, "never fewer than the unique layers");

    let model = apollo(12, ApolloConfig::new(60).with_schedule(stages(&[(3, 30)], 12)));
    assert_eq!(model.at_depth(InferenceDepth::At(7)).unwrap().blocks.depth(), 7);
    assert!(matches!(
        model.at_depth(InferenceDepth::At(2)),
        Err(ApolloError::DepthRange { stack: 0, depth: 2, unique: 3, target: 12 })
    ));
    let trained_again = model.valid().train();
    assert_eq!(trained_again.blocks.depth(), model.depth(), "back in training mode");
}

/// A shared forward is a plain stack of tied copies, bit for bit; the shared gradient is the sum.
#[test]
fn shared_weights_are_tied_copies() {
    let device = device();
    for expander in [true, false] {
        let config = ApolloConfig::new(60).with_schedule(stages(&[(3, 30)], 12));
        let config = match expander {
            true => config.with_expander(Interpolation),
            false => config.with_expander(Stacking),
        };
        let mut model = apollo(12, config);
        for depth in [3, 4, 5, 7, 8, 12] {
            model.set_depth(depth).unwrap();
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
    let mut model = apollo(6, ApolloConfig::new(60).with_schedule(stages(&[(2, 30)], 6)));
    model.set_depth(5).unwrap();
    let x = batch(2, &device());
    let grads = model.loss(x.clone()).backward();
    let analytic = model.blocks.layers()[1].weight().grad(&grads).unwrap();
    let h = 1e-2;
    for (row, column) in [(0, 0), (2, 3), (5, 1)] {
        let loss_at = |delta: f32| {
            let mut moved = model.model().clone();
            let block = &mut moved.blocks.layers_mut()[1];
            block.nudge(row, column, delta);
            moved.loss(x.clone()).into_scalar::<f32>()
        };
        let numeric = (loss_at(h) - loss_at(-h)) / (2.0 * h);
        let found = analytic.clone().slice([row..row + 1, column..column + 1]).into_scalar::<f32>();
        assert!((numeric - found).abs() < 2e-3 * found.abs().max(1.0), "{numeric} against {found}");
    }
}

/// Growth by an integer ratio changes nothing, bit for bit, where the old model ran at the new depth.
#[test]
fn integer_growth_preserves_the_function() {
    for (from, to, target) in [(1, 3, 12), (3, 6, 12), (6, 12, 12), (2, 6, 6), (1, 4, 4)] {
        let mut optim = adamw();
        let schedule = match to == target {
            true => stages(&[(from, 4)], target),
            false => stages(&[(from, 4), (to, 8)], target),
        };
        let mut model = apollo(target, ApolloConfig::new(12).with_schedule(schedule));
        model = train(model, &mut optim, 3);
        let x = batch(77, &device());
        // The fourth update has a learning rate of 0 and no decay: only the growth can change the model.
        let mut still = AdamWConfig::new().with_weight_decay(0.0).init();
        let before: Vec<_> = (to..=target).map(|d| loss_at(&model, d, &x)).collect();
        (model, _) = train_step(model, &mut still, 0.0);
        assert!(model.growth().unwrap().is_some());
        assert_eq!(model.unique_layers(), to);
        let after: Vec<_> = (to..=target).map(|d| loss_at(&model, d, &x)).collect();
        assert_eq!(before, after, "{from} → {to} of {target}");
    }
}

fn loss_at(model: &Apollo<Net>, depth: usize, x: &burn::Tensor<2>) -> u32 {
    let mut model = model.clone();
    model.set_depth(depth).unwrap();
    model.loss(x.clone()).into_scalar::<f32>().to_bits()
}

#[test]
fn copies_have_ids_and_gradients_of_their_own() {
    let mut optim = adamw();
    let model =
        train(apollo(4, ApolloConfig::new(20).with_schedule(stages(&[(2, 5)], 4))), &mut optim, 5);
    assert_eq!(model.unique_layers(), 4);
    let ids: Vec<ParamId> = parameters(&model).values().map(|(id, _)| *id).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "every parameter has an id of its own");

    let before = parameters(&model);
    let (model, _) = train_step(model, &mut optim, 0.01);
    let after = parameters(&model);
    for layer in [0, 2] {
        let (first, copy) = (
            format!("blocks.{layer}.linear.weight"),
            format!("blocks.{}.linear.weight", layer + 1),
        );
        assert_eq!(before[&first].1, before[&copy].1, "copies start equal");
        assert_ne!(after[&first].1, after[&copy].1, "and part with the first step");
    }
    for (path, (_, bits)) in &before {
        assert_ne!(bits, &after[path].1, "{path} is trained");
    }
}

#[test]
fn ids_and_growth_are_the_same_on_every_worker() {
    let start = apollo(6, ApolloConfig::new(40).with_schedule(stages(&[(2, 5), (3, 9)], 6)));
    let run = || train(start.clone(), &mut adamw(), 12);
    assert_eq!(parameters(&run()), parameters(&run()));
}

#[test]
fn a_record_of_any_stage_resumes_bit_for_bit() {
    let config = || {
        let losses = LossFeed::default();
        ApolloConfig::new(40)
            .with_schedule(stages(&[(1, 8), (3, 16), (6, 24)], 12))
            .with_seed(5)
            .with_lr_at_growth(LrAtGrowth::Rewarm { from: 0.1, steps: 5 })
            .with_losses(losses)
    };
    let mut optim = adamw();
    let mut model = apollo(12, config());
    let (mut losses, mut saved) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let record = model.clone().into_record().into_bytes().unwrap();
        saved.push((record, optim.to_record().into_bytes().unwrap()));
        let bits;
        (model, bits) = train_step(model, &mut optim, 0.01);
        losses.push((model.depth(), bits));
    }
    // Before, at and after each growth, and at both ends.
    for step in [0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 39] {
        let (record, state) = saved[step].clone();
        // The new process builds another model; everything must come from the records.
        let fresh = Apollo::new(Net::random(12, &device()), config()).unwrap();
        let fresh = fresh.load_record(burn::store::ModuleRecord::from_bytes(record).unwrap());
        let mut optim = adamw().from_bytes(state).unwrap();
        assert_eq!(fresh.step_count(), step as u64);
        let mut resumed = fresh;
        for (i, expected) in losses.iter().enumerate().skip(step) {
            let bits;
            (resumed, bits) = train_step(resumed, &mut optim, 0.01);
            assert_eq!((resumed.depth(), bits), *expected, "step {i} of a run resumed at {step}");
        }
        assert_eq!(parameters(&resumed), parameters(&model), "resumed at {step}");
        assert_eq!(resumed.registry(), model.registry(), "resumed at {step}");
    }
}

#[test]
fn a_later_model_loads_an_earlier_record() {
    let config = || ApolloConfig::new(40).with_schedule(stages(&[(2, 4)], 6));
    let mut optim = adamw();
    let early = train(apollo(6, config()), &mut optim, 3);
    let late = train(early.clone(), &mut optim, 4);
    assert_eq!(late.unique_layers(), 6);
    let back = late.load_record(early.clone().into_record());
    assert_eq!((back.unique_layers(), back.step_count()), (2, 3));
    assert_eq!(parameters(&back), parameters(&early));
}

#[test]
fn records_of_other_runs_are_refused() {
    let model = |stages_of: &[(usize, u64)], layers| {
        apollo(layers, ApolloConfig::new(40).with_schedule(stages(stages_of, layers)))
    };
    let record = || model(&[(2, 4)], 6).into_record();
    let error = |r: Result<Apollo<Net>, burn::store::RecordError>| format!("{:?}", r.unwrap_err());

    let plain = Net::new(6, &device()).into_record();
    assert!(error(model(&[(2, 4)], 6).try_load_record(plain)).contains("apollo.progress"));
    let stages = error(model(&[(2, 4), (3, 6)], 6).try_load_record(record()));
    assert!(stages.contains("3 stages"), "{stages}");
    let layers = error(model(&[(3, 4)], 6).try_load_record(record()));
    assert!(layers.contains("blocks.2"), "{layers}");
}

#[test]
fn the_inner_model_has_no_trace_of_apollo() {
    let mut optim = adamw();
    for steps in [3, 20] {
        let config = ApolloConfig::new(20).with_schedule(stages(&[(2, 5), (4, 10)], 8));
        let model = train(apollo(8, config), &mut optim, steps);
        let full = loss_at(&model, 8, &batch(5, &device()));
        let inner = model.into_inner().unwrap();
        assert_eq!((inner.blocks.depth(), inner.blocks.layers().len()), (8, 8));
        let loss = inner.loss(batch(5, &device())).into_scalar::<f32>().to_bits();
        assert_eq!(loss, full, "the model it grows into is the one that ran at full depth");
        let paths: Vec<String> = parameters(&inner).into_keys().collect();
        let plain: Vec<String> = parameters(&Net::new(8, &device())).into_keys().collect();
        assert_eq!(paths, plain);
        let record = inner.clone().into_record();
        assert_eq!(record.len(), plain.len());
        let loaded = Net::new(8, &device()).load_record(record);
        assert_eq!(parameters(&loaded), parameters(&inner));
        optim = adamw();
    }
}

/// The one-stage schedule is training without us, bit for bit.
#[test]
fn one_stage_is_plain_training() {
    for sampler in [true, false] {
        let config = ApolloConfig::new(10).with_schedule(Schedule::from_scratch(&[4]));
        let config = match sampler {
            true => config.with_sampler(ConstantHigh),
            false => config.with_sampler(ConstantLow),
        };
        let (mut optim, mut plain_optim) = (adamw(), adamw());
        let mut plain = Net::new(4, &device());
        let mut wrapped = Apollo::new(plain.clone(), config).unwrap();
        for step in 0..10 {
            (wrapped, _) = train_step(wrapped, &mut optim, 0.01);
            let grads = plain.loss(batch(step, &device())).backward();
            let grads = GradientsParams::from_grads(grads, &plain);
            plain = plain_optim.step(0.01, plain, grads);
        }
        assert_eq!(parameters(&wrapped), parameters(&plain));
    }
}

#[test]
fn growth_is_reported_and_observed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let config = ApolloConfig::new(20)
        .with_schedule(stages(&[(2, 5), (3, 9)], 6))
        .with_lr_at_growth(LrAtGrowth::Scale(0.5))
        .on_growth(move |report| sink.lock().unwrap().push(report.clone()));
    let mut model = apollo(6, config);
    let mut optim = adamw();
    for step in 1..=12 {
        (model, _) = train_step(model, &mut optim, 0.01);
        let report = model.growth().unwrap();
        assert_eq!(report.is_some(), step == 5 || step == 9, "step {step}");
    }
    let seen = seen.lock().unwrap();
    let steps: Vec<_> = seen.iter().map(|r| (r.step, r.stage, r.lr_factor)).collect();
    assert_eq!(steps, [(5, 1, 0.5), (9, 2, 0.25)]);
    assert_eq!(model.growth_steps(), [5, 9]);
    let last = &seen[1];
    assert_eq!(last.stacks[0].map, Some(Interpolation.map(3, 6).unwrap()));
    let block = 6 * 6 + 6;
    assert_eq!(last.params_after - last.params_before, 3 * block);
    assert_eq!(last.state.params_inherited, 3 * 2);
    assert_eq!(last.state.tensors_after - last.state.tensors_before, 3 * 2 * 2);
    let text = last.to_string();
    assert!(text.contains("3 → 6") && text.contains("step 9"), "{text}");
    let json = serde_json::to_string(last).unwrap();
    assert_eq!(serde_json::from_str::<burn_apollo::GrowthReport>(&json).unwrap(), *last);
}

#[test]
fn the_registry_knows_where_every_parameter_comes_from() {
    let start = apollo(6, ApolloConfig::new(40).with_schedule(stages(&[(1, 3), (3, 6)], 6)));
    let original = start.registry().stacks[0].layers[0].params[0].id.clone();
    let mut model = train(start, &mut adamw(), 8);
    model.set_depth(6).unwrap();
    let registry = model.registry();
    let layers = &registry.stacks[0].layers;
    assert_eq!(
        layers.iter().map(|l| l.copied_from).collect::<Vec<_>>(),
        [None, Some(0), Some(0), Some(2), Some(0), Some(4)]
    );
    assert_eq!(layers.iter().map(|l| l.stage).collect::<Vec<_>>(), [0, 2, 1, 2, 1, 2]);
    assert_eq!(layers[0].params[0].id, original);
    for layer in layers {
        for (i, param) in layer.params.iter().enumerate() {
            let parent = layer.copied_from.map(|from| layers[from].params[i].id.clone());
            assert_eq!(param.parent, parent);
        }
    }
    let table = registry.to_string();
    assert!(table.contains("6 unique layers of 6") && table.contains(&original), "{table}");
    let json = serde_json::to_string(&registry).unwrap();
    assert_eq!(serde_json::from_str::<burn_apollo::registry::Registry>(&json).unwrap(), registry);
}

#[test]
fn a_plateau_grows_early_and_resumes() {
    let losses = LossFeed::default();
    let config = || {
        ApolloConfig::new(200)
            .with_schedule(stages(&[(2, 150)], 4))
            .with_policy(LossPlateau::new(12).unwrap())
            .with_losses(losses.clone())
    };
    let loss = |step: u64| if step < 20 { 5.0 * 0.9f64.powi(step as i32) } else { 0.6 };
    let mut optim = adamw();
    let mut model = apollo(4, config());
    let mut halfway = None;
    while model.stage() == 0 {
        let step = model.step_count();
        losses.record(step, loss(step));
        (model, _) = train_step(model, &mut optim, 0.01);
        if step == 25 {
            halfway = Some((model.clone().into_record(), optim.to_record()));
        }
    }
    let grown = model.step_count();
    assert!((32..150).contains(&grown), "{grown}");

    let (record, state) = halfway.unwrap();
    let mut model = apollo(4, config()).load_record(record);
    let mut optim = adamw().load_record(state);
    while model.stage() == 0 {
        let step = model.step_count();
        losses.record(step, loss(step));
        (model, _) = train_step(model, &mut optim, 0.01);
    }
    assert_eq!(model.step_count(), grown);
}

#[test]
fn micro_batches_draw_depths_of_their_own() {
    let config = |per| {
        ApolloConfig::new(100).with_schedule(stages(&[(1, 90)], 12)).with_draw_per(per).with_seed(1)
    };
    let depths = |per| -> Vec<usize> {
        let model = apollo(12, config(per));
        (0..64).map(|k| model.micro_batch(k).unwrap().blocks.depth()).collect()
    };
    let per_step = depths(DrawPer::OptimizerStep);
    assert!(per_step.iter().all(|d| *d == per_step[0]));
    let per_batch = depths(DrawPer::MicroBatch);
    let model = apollo(12, config(DrawPer::MicroBatch));
    let expected: Vec<usize> =
        (0..64).map(|k| burn_apollo::depth::draw(&model.pmfs()[0], 1, 0, k, 0)).collect();
    assert_eq!(per_batch, expected);
    assert!(per_batch.iter().any(|d| *d != per_batch[0]));
    assert_eq!(per_batch[0], per_step[0]);
}

#[derive(Debug)]
struct Shallow;

impl DepthSampler for Shallow {
    fn pmf(&self, unique: usize, _target: usize) -> Result<DepthPmf, DepthError> {
        Ok(DepthPmf::always(unique - 1))
    }
}

/// Maps as it should until the growth to 6 layers.
#[derive(Debug)]
struct Wrong;

impl Expander for Wrong {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, ExpandError> {
        match target {
            6 => Interpolation.map(source, 5),
            _ => Interpolation.map(source, target),
        }
    }
}

#[test]
fn wrong_plans_are_refused_before_the_run() {
    let net = || Net::new(6, &device());
    let refused = |config: ApolloConfig, words: &str| {
        let error = Apollo::new(net(), config).unwrap_err().to_string();
        assert!(error.contains(words), "{error} should contain {words}");
    };
    let base = || ApolloConfig::new(20);
    refused(ApolloConfig::new(0), "`steps`");
    refused(base().with_schedule(stages(&[(7, 5)], 6)), "`stages[1].layers`");
    refused(base().with_schedule(stages(&[(3, 25)], 6)), "`stages[0].until`");
    refused(base().with_sampler(Shallow), "depths");
    refused(base().with_expander(Wrong), "answered with");
    refused(base().with_inference_depth(InferenceDepth::At(7)), "`inference_depth`");
    refused(base().with_lr_at_growth(LrAtGrowth::Scale(f64::NAN)), "LrAtGrowth");
    let none = net().with_blocks(Vec::new());
    assert!(Apollo::new(none, base()).unwrap_err().to_string().contains("without layers"));
}

/// An optimizer state that cannot be scaled: the growth fails, nothing else changes.
#[test]
fn a_growth_that_fails_leaves_everything_as_it_was() {
    let config = || ApolloConfig::new(20).with_schedule(stages(&[(2, 5)], 4));
    let failing = |config: ApolloConfig| {
        // RMSprop knows a field under a name that these orders do not.
        config.with_moments(MomentPolicy::Scaled).with_moment_orders(MomentOrders::none())
    };
    let mut optim = adamw();
    let mut model = train(apollo(4, failing(config())), &mut optim, 4);
    let mut control_optim = adamw();
    let control =
        train(apollo(4, config().with_schedule(stages(&[(2, 15)], 4))), &mut control_optim, 5);

    (model, _) = train_step(model, &mut optim, 0.01);
    let error = model.growth().unwrap_err();
    assert!(matches!(&*error, ApolloError::Growth { stage: 1, step: 5, .. }), "{error}");
    assert!(error.to_string().contains("moment_1"), "{error}");
    assert_eq!((model.stage(), model.unique_layers()), (0, 2));
    assert_eq!(bits(&model), bits(&control), "the update itself was made");
    assert_eq!(optim.to_record().len(), control_optim.to_record().len());

    // The run can go on in its stage; the error stays until somebody looks.
    let (model, _) = train_step(model, &mut optim, 0.01);
    assert_eq!(model.step_count(), 6);
    assert!(model.growth().is_err());
}
