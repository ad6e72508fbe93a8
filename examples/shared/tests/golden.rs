//! The published architectures of GPT-2 and BERT against reference values that PyTorch and transformers
//! computed in float64: losses, logits and gradients at virtual depths, and whole training runs with a
//! growth.

use apollo_examples::models::bert::Bert;
use apollo_examples::models::gpt::Gpt;
use apollo_examples_testing::golden::{
    Cases, Reference, Trajectory, close, compare, compare_logits, tokens,
};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Device;
use burn_apollo::expand::{Interpolation, Stacking};
use burn_apollo::schedule::{Schedule, Stage, Until};
use burn_apollo::{Apollo, Plan};

fn losses_logits_and_gradients_at_virtual_depths<R: Reference>() {
    let device = Device::flex().autodiff();
    let references: Cases = R::read("cases.json");
    for case in &references.cases {
        let schedule = Schedule::one_hop(&[references.unique_layers], &[12], 0.5);
        let plan = Plan::new(2).with_schedule(schedule);
        let plan = match case.map_kind.as_str() {
            "interpolation" => plan.with_expander(Interpolation),
            _ => plan.with_expander(Stacking),
        };
        let mut apollo = Apollo::new(R::reference(&device), plan).unwrap();
        apollo.set_depth(case.depth).unwrap();
        let what = format!("{} at depth {}", case.map_kind, case.depth);
        assert_eq!(apollo.registry().stacks[0].order, case.map, "{what}");

        compare_logits(apollo.model().logits(tokens(&references.input_ids, &device)), case, &what);
        let loss = apollo.model().reference_loss(&references, &device);
        close(loss.clone().into_scalar::<f64>(), case.loss, 1e-4, 0.0, &format!("{what}: loss"));
        if let Some(expected) = &case.grads {
            let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
            compare(apollo.model(), Some(&grads), expected, 1e-4, &what);
        }
    }
}

#[test]
fn gpt2_at_virtual_depths() {
    losses_logits_and_gradients_at_virtual_depths::<Gpt>();
}

#[test]
fn bert_at_virtual_depths() {
    losses_logits_and_gradients_at_virtual_depths::<Bert>();
}

fn training_runs_with_a_growth_under_every_moment_policy<R: Reference>() {
    let device = Device::flex().autodiff();
    let references: Cases = R::read("cases.json");
    let stage = |layers, step| Stage { layers: vec![layers], until: Some(Until::Step(step)) };
    for run in R::read::<Vec<Trajectory>>("trajectory.json") {
        let steps = run.depths.len() as u64;
        let [first, second] = run.layers;
        let stages = vec![
            stage(first, run.grow_before_step),
            stage(second, steps + 1),
            stage(12, steps + 2),
        ];
        let plan = Plan::new(steps + 2).with_schedule(Schedule { stages }).with_moments(run.policy);
        let mut apollo = Apollo::new(R::reference(&device), plan).unwrap();
        let mut optim = AdamWConfig::new().with_weight_decay(0.01).with_epsilon(1e-8).init();
        for (step, (depth, expected)) in run.depths.iter().zip(&run.losses).enumerate() {
            apollo.set_depth(*depth).unwrap();
            let loss = apollo.model().reference_loss(&references, &device);
            let found = loss.clone().into_scalar::<f64>();
            close(found, *expected, 1e-3, 0.0, &format!("{:?}: loss of step {step}", run.policy));
            let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
            let report = apollo.update(&mut optim, 1e-3, grads).unwrap();
            assert_eq!(report.growth.is_some(), step as u64 + 1 == run.grow_before_step);
        }
        compare(apollo.model(), None, &run.last, 1e-3, &format!("{:?}: final", run.policy));
    }
}

#[test]
fn gpt2_training_runs() {
    training_runs_with_a_growth_under_every_moment_policy::<Gpt>();
}

#[test]
fn bert_training_runs() {
    training_runs_with_a_growth_under_every_moment_policy::<Bert>();
}
