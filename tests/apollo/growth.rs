//! Growth: what it keeps, what it reports, and what it refuses.

use std::collections::BTreeMap;

use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ParamGroup, ParamId};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{AdamWConfig, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_apollo::depth::{DepthPmf, DepthSampler, DepthSamplerConfig, draw};
use burn_apollo::expand::{Expander, ExpanderConfig, Interpolation, LayerMap};
use burn_apollo::optim::{MomentOrders, MomentPolicy};
use burn_apollo::plan::PlanError;
use burn_apollo::schedule::LrAtGrowth;
use burn_apollo::stack::LayerStack;
use burn_apollo::{
    Apollo, Plan,
    apollo::{ApolloError, InferenceDepth},
    growable,
};
use serde::Serialize;

use crate::support::{
    Net, WIDTH, adamw, apollo, batch, bits, chain, device, grads_of, load_record, loss_at,
    parameters, record, stages, state, train, train_step, try_step,
};

/// Growth by an integer ratio changes nothing, bit for bit, where the old model ran at the new depth.
#[test]
fn integer_growth_preserves_the_function() {
    for (from, to, target) in [(1, 3, 12), (3, 6, 12), (6, 12, 12), (2, 6, 6), (1, 4, 4)] {
        let mut optim = adamw();
        let schedule = match to == target {
            true => stages(&[(from, 4)], target),
            false => stages(&[(from, 4), (to, 8)], target),
        };
        let mut model = apollo(target, Plan::new(12).with_schedule(schedule));
        model = train(model, &mut optim, 3);
        let x = batch(77, &device());
        // The fourth update has a learning rate of 0 and no decay: only the growth can change the model.
        let mut still = AdamWConfig::new().with_weight_decay(0.0).init();
        let before: Vec<_> = (to..=target).map(|d| loss_at(&model, d, &x)).collect();
        let (_, growth) = train_step(&mut model, &mut still, 0.0);
        assert!(growth.is_some());
        assert_eq!(model.unique_layers(), to);
        let after: Vec<_> = (to..=target).map(|d| loss_at(&model, d, &x)).collect();
        assert_eq!(before, after, "{from} → {to} of {target}");
    }
}

#[test]
fn copies_have_ids_and_gradients_of_their_own() {
    let mut optim = adamw();
    let plan = Plan::new(20).with_schedule(stages(&[(2, 5)], 4));
    let mut model = train(apollo(4, plan), &mut optim, 5);
    assert_eq!(model.unique_layers(), 4);
    let ids: Vec<ParamId> = parameters(model.model()).values().map(|(id, _)| *id).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "every parameter has an id of its own");

    let before = parameters(model.model());
    train_step(&mut model, &mut optim, 0.01);
    let after = parameters(model.model());
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
    let start = apollo(6, Plan::new(40).with_schedule(stages(&[(2, 5), (3, 9)], 6)));
    let run = || train(start.clone(), &mut adamw(), 12);
    assert_eq!(parameters(run().model()), parameters(run().model()));
}

#[test]
fn growth_is_reported() {
    let plan = Plan::new(20)
        .with_schedule(stages(&[(2, 5), (3, 9)], 6))
        .with_lr_at_growth(LrAtGrowth::Scale(0.5));
    let mut model = apollo(6, plan);
    let mut optim = adamw();
    let mut seen = Vec::new();
    for step in 0..12 {
        let (stage, layers) = (model.stage(), model.unique_layers());
        let (depths, factor) = (model.depths().to_vec(), model.lr_factor());
        let report = try_step(&mut model, &mut optim, 0.01).1.unwrap();
        assert_eq!((report.step, report.stage, report.unique_layers), (step, stage, layers));
        assert_eq!((report.depth(), report.lr_factor), (depths[0], factor));
        assert_eq!((&report.depths, &report.skipped), (&depths, &None));
        assert_eq!(report.growth.is_some(), step == 4 || step == 8, "step {step}");
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<burn_apollo::apollo::StepReport>(&json).unwrap(), report);
        seen.extend(report.growth);
    }
    let steps: Vec<_> = seen.iter().map(|r| (r.step, r.stage, r.lr_factor)).collect();
    assert_eq!(steps, [(5, 1, 0.5), (9, 2, 0.25)]);
    assert_eq!(model.growths().collect::<Vec<_>>(), [(5, 1), (9, 2)]);
    let last = &seen[1];
    assert_eq!(last.stacks[0].map, Some(Interpolation.map(3, 6).unwrap()));
    let block = 6 * 6 + 6;
    assert_eq!(last.params_after - last.params_before, 3 * block);
    assert_eq!(last.state.params_inherited, 3 * 2);
    assert_eq!(last.state.tensors_after - last.state.tensors_before, 3 * 2 * 2);
    let text = last.to_string();
    assert!(text.contains("3 → 6") && text.contains("step 9"), "{text}");
    let json = serde_json::to_string(last).unwrap();
    assert_eq!(serde_json::from_str::<burn_apollo::apollo::GrowthReport>(&json).unwrap(), *last);
}

#[test]
fn the_registry_knows_where_every_parameter_comes_from() {
    let start = apollo(6, Plan::new(40).with_schedule(stages(&[(1, 3), (3, 6)], 6)));
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

#[derive(Debug, Serialize)]
struct Shallow;

impl DepthSampler for Shallow {
    fn pmf(&self, unique: usize, _target: usize) -> Result<DepthPmf, PlanError> {
        Ok(DepthPmf::always(unique - 1))
    }
}

/// Maps as it should until the growth to 6 layers.
#[derive(Debug, Serialize)]
struct Wrong;

impl Expander for Wrong {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError> {
        match target {
            6 => Interpolation.map(source, 5),
            _ => Interpolation.map(source, target),
        }
    }
}

#[test]
fn wrong_plans_are_refused_before_the_run() {
    let net = || Net::new(6, &device());
    let refused = |plan: Plan, words: &str| {
        let error = Apollo::new(net(), plan).unwrap_err().to_string();
        assert!(error.contains(words), "{error} should contain {words}");
    };
    let base = || Plan::new(20);
    refused(Plan::new(0), "`steps`");
    refused(base().with_schedule(stages(&[(7, 5)], 6)), "`stages[1].layers`");
    refused(base().with_schedule(stages(&[(3, 25)], 6)), "`stages[0].until`");
    refused(base().with_sampler(DepthSamplerConfig::custom("shallow", Shallow).unwrap()), "depths");
    refused(base().with_expander(ExpanderConfig::custom("wrong", Wrong).unwrap()), "answered with");
    for depth in [0, 7] {
        let error = Apollo::new(net(), base()).unwrap();
        let error = error.with_inference_depth(InferenceDepth::At(depth)).unwrap_err();
        assert!(error.to_string().contains("`inference_depth`"), "{error}");
    }
    refused(base().with_lr_at_growth(LrAtGrowth::Scale(f64::NAN)), "`lr_at_growth.scale`");
    let none = net().with_blocks(Vec::new());
    assert!(Apollo::new(none, base()).unwrap_err().to_string().contains("without layers"));
}

/// An optimizer state that cannot be scaled: the growth fails, nothing else changes.
#[test]
fn a_growth_that_fails_leaves_everything_as_it_was() {
    let plan = || Plan::new(20).with_schedule(stages(&[(2, 5)], 4));
    let failing = |plan: Plan| {
        plan.with_moments(MomentPolicy::Scaled).with_moment_orders(MomentOrders::none())
    };
    let mut optim = adamw();
    let mut model = train(apollo(4, failing(plan())), &mut optim, 4);
    let mut control_optim = adamw();
    let control =
        train(apollo(4, plan().with_schedule(stages(&[(2, 15)], 4))), &mut control_optim, 5);

    let error = try_step(&mut model, &mut optim, 0.01).1.unwrap_err();
    assert!(matches!(&error, ApolloError::Growth { stage: 1, step: 5, .. }), "{error}");
    assert!(chain(&error).contains("moment_1"), "{}", chain(&error));
    assert_eq!((model.stage(), model.unique_layers()), (0, 2));
    assert_eq!(bits(model.model()), bits(control.model()), "the update itself was made");
    assert_eq!(state(&optim), state(&control_optim), "the optimizer too");
    assert_eq!(optim.to_record().len(), control_optim.to_record().len());
    let drawn = draw(&model.pmfs()[0], 0, 5, 0, 0);
    assert_eq!(model.depth(), drawn, "the next step's depth is drawn all the same");

    // The run can go on in its stage, and is told again with every step that its policy wants to grow.
    let error = try_step(&mut model, &mut optim, 0.01).1.unwrap_err();
    assert!(matches!(error, ApolloError::Growth { stage: 1, step: 6, .. }), "{error}");
    assert_eq!(model.step_count(), 6);
    let error = model.into_inner().unwrap_err();
    let stands = ApolloError::Unfinished { step: 6, steps: 20, stage: 0, stages: 2 };
    assert_eq!(error.to_string(), stands.to_string(), "untrained layers are not passed off");
}

/// Layers that were never trained are not passed off as trained, unless they are asked for.
#[test]
fn an_unfinished_model_is_given_on_purpose_alone() {
    let plan = || Plan::new(20).with_schedule(stages(&[(2, 5), (3, 8)], 4));
    for steps in [0, 4, 5, 7, 8] {
        let model = train(apollo(4, plan()), &mut adamw(), steps);
        let stage = model.stage();
        let Err(ApolloError::Unfinished { step, steps: 20, stage: at, stages: 3 }) =
            model.clone().into_inner()
        else {
            panic!("after {steps} steps")
        };
        assert_eq!((step, at), (steps, stage));
        let inner = model.into_partly_trained().unwrap();
        assert_eq!((inner.blocks.depth(), inner.blocks.layers().len()), (4, 4));
    }
    let done = train(apollo(4, plan()), &mut adamw(), 9);
    assert_eq!(done.into_inner().unwrap().blocks.depth(), 4);
    // A run of one stage has trained whatever it was given.
    let plan = Plan::new(20).with_schedule(burn_apollo::schedule::Schedule::from_scratch(&[4]));
    assert!(apollo(4, plan).into_inner().is_ok());
}

/// The factor of the plan multiplies the rate of every group that the scheduler knows.
#[test]
fn the_learning_rate_at_a_growth_holds_for_every_group() {
    let scheduler = || {
        ModuleLrScheduler::new(ConstantLr::new(0.1))
            .with_group(ParamGroup::from_predicate("head"), ConstantLr::new(0.01))
    };
    let steps = |rule: LrAtGrowth| {
        let plan = Plan::new(20).with_schedule(stages(&[(2, 3)], 4)).with_lr_at_growth(rule);
        let (mut model, mut optim) = (apollo(4, plan), SgdConfig::new().init());
        let mut scheduler = scheduler();
        let mut moved = Vec::new();
        for step in 0..6 {
            model.set_depth(4).unwrap();
            let before = values(&model);
            let grads = grads_of(&model.model().loss(batch(step, &device())), &model);
            model.update(&mut optim, scheduler.step(), grads).unwrap();
            let after = values(&model);
            let by = |path: &str| -> f32 {
                before[path].iter().zip(&after[path]).map(|(b, a)| (b - a).abs()).sum()
            };
            moved.push((by("input.weight"), by("head.weight")));
        }
        moved
    };
    let (kept, scaled) = (steps(LrAtGrowth::Keep), steps(LrAtGrowth::Scale(0.5)));
    assert_eq!(kept[..3], scaled[..3], "nothing changes before the growth");
    let (input, head) = (scaled[3].0 / kept[3].0, scaled[3].1 / kept[3].1);
    assert!((input - 0.5).abs() < 1e-3 && (head - 0.5).abs() < 1e-3, "{input} {head}");
}

fn values(model: &Apollo<Net>) -> BTreeMap<String, Vec<f32>> {
    let floats = |bits: Vec<u32>| bits.into_iter().map(f32::from_bits).collect();
    bits(model.model()).into_iter().map(|(path, bits)| (path, floats(bits))).collect()
}

/// A layer with running statistics, which Burn's clones share.
#[derive(Module, Debug)]
struct Normed {
    linear: Linear,
    norm: BatchNorm,
}

#[derive(Module, Debug)]
struct NormedNet {
    blocks: LayerStack<Normed>,
}

growable!(NormedNet { blocks });

impl NormedNet {
    fn new(device: &Device) -> Self {
        let block = |_| Normed {
            linear: LinearConfig::new(WIDTH, WIDTH).init(device),
            norm: BatchNormConfig::new(WIDTH).init(device),
        };
        Self { blocks: (0..2).map(block).collect() }
    }

    fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        let block =
            |x: Tensor<2>, b: &Normed| x.clone() + b.norm.forward(b.linear.forward(x)).tanh();
        self.blocks.iter().fold(x, block).powi_scalar(2).mean()
    }
}

/// Grows from 1 layer to 2 before step 2.
fn normed(device: &Device) -> Apollo<NormedNet> {
    let plan = Plan::new(8).with_schedule(stages(&[(1, 2)], 2));
    Apollo::new(NormedNet::new(device), plan).unwrap()
}

fn normed_steps(apollo: &mut Apollo<NormedNet>, steps: u64) {
    let mut optim = adamw();
    for step in 0..steps {
        let grads = grads_of(&apollo.model().loss(batch(step, &device())), apollo);
        let report = apollo.update(&mut optim, 0.05, grads).unwrap();
        assert_eq!(report.growth.is_some(), step == 1);
    }
}

#[test]
fn copies_keep_running_statistics_of_their_own() {
    let mut apollo = normed(&device());
    normed_steps(&mut apollo, 8);
    let mean = |i: usize| -> Vec<f32> {
        let mean = apollo.model().blocks.layers()[i].norm.running_mean.value_sync();
        mean.into_data().iter::<f32>().collect()
    };
    assert_ne!(mean(0), mean(1), "each layer sees inputs of its own");
    for value in mean(0).iter().chain(&mean(1)) {
        assert!(value.is_finite() && *value != 0.0);
    }
}

/// Copies keep what Burn knows of a parameter beside its values.
#[test]
fn copies_keep_gradient_settings() {
    let device = Device::flex().autodiff().gradient_checkpointing();
    let mut net = Net::new(4, &device);
    for block in net.blocks.layers_mut() {
        block.freeze_bias();
    }
    let plan = Plan::new(10).with_schedule(stages(&[(2, 3)], 4));
    let (mut model, mut optim) = (Apollo::new(net, plan).unwrap(), adamw());
    for step in 0..5 {
        let grads = grads_of(&model.model().loss(batch(step, &device)), &model);
        model.update(&mut optim, 0.01, grads).unwrap();
    }
    assert_eq!(model.unique_layers(), 4);
    let blocks = model.model().blocks.layers();
    for block in blocks {
        assert!(block.weight().is_require_grad() && !block.bias().is_require_grad());
        assert_eq!(
            block.weight().gradient_checkpointing_strategy(),
            device.gradient_checkpointing_strategy()
        );
    }
    let biases = |i: usize| blocks[i].bias().into_data();
    assert_eq!(biases(0), biases(1), "a frozen bias stays as it was copied");
    assert_ne!(blocks[0].weight().into_data(), blocks[1].weight().into_data());
}

/// Without autodiff, too, a loaded model has running statistics of its own in every layer.
#[test]
fn running_statistics_load_into_each_layer_on_a_plain_device() {
    let mut trained = normed(&device());
    normed_steps(&mut trained, 6);
    drop(trained.model().valid()); // Burn holds the last update back until then
    let mean = |model: &NormedNet, i: usize| {
        model.blocks.layers()[i].norm.running_mean.value().into_data()
    };
    assert_ne!(mean(trained.model(), 0), mean(trained.model(), 1));
    let loaded = load_record(normed(&Device::flex()), record(&trained));
    for i in 0..2 {
        assert_eq!(mean(loaded.model(), i), mean(trained.model(), i), "layer {i}");
    }
}
