//! Wrong uses of a run before and between its steps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::ParamGroup;
use burn::optim::GradientsParams;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::{Distribution, Tensor};
use burn_apollo::depth::{DepthPmf, DepthSampler, DepthSamplerConfig, Uniform};
use burn_apollo::expand::{Expander, ExpanderConfig, LayerMap, Stacking};
use burn_apollo::plan::PlanError;
use burn_apollo::policy::{Decision, GrowthPolicy, GrowthPolicyConfig, LossPlateau, Observation};
use burn_apollo::schedule::Schedule;
use burn_apollo::stack::Untied;
use burn_apollo::{
    Apollo, Plan,
    apollo::{ApolloError, GrowthRequest, NonFiniteGradients},
};
use serde::Serialize;

use crate::{Net, adamw, device, gradients, net, new_run, plan, train};

#[test]
fn a_model_with_layers_that_were_never_trained_is_not_passed_off() {
    let (mut apollo, mut optim, _) = new_run(plan());
    train(&mut apollo, &mut optim, 5);
    let error = apollo.clone().into_inner().unwrap_err();
    assert!(matches!(error, ApolloError::Unfinished { step: 5, steps: 12, stage: 1, stages: 3 }));
    assert!(error.to_string().contains("into_partly_trained"), "{error}");
    assert_eq!(apollo.clone().into_partly_trained().unwrap().blocks.layers().len(), 4);

    // Grown, but not one step trained since.
    apollo.grow(&mut optim, &GrowthRequest::next()).unwrap();
    assert!(matches!(apollo.clone().into_inner(), Err(ApolloError::Unfinished { .. })));
    train(&mut apollo, &mut optim, 1);
    assert!(apollo.into_inner().is_ok());
}

#[test]
fn a_rate_that_is_not_finite_is_an_error_at_once() {
    for policy in [NonFiniteGradients::Allow, NonFiniteGradients::Skip { in_a_row: 3 }] {
        let (apollo, mut optim, _) = new_run(plan());
        let mut apollo = apollo.with_non_finite_gradients(policy);
        let before = apollo.model().input.weight.val().into_data();
        for rate in [f64::NAN, f64::INFINITY] {
            let grads = gradients(&apollo, 1.0);
            let error = apollo.update(&mut optim, rate, grads).unwrap_err();
            assert!(error.to_string().starts_with("step 0: the learning rate of `"), "{error}");
        }
        assert_eq!(apollo.model().input.weight.val().into_data(), before);
        train(&mut apollo, &mut optim, 1);
        assert_eq!(apollo.step_count(), 1);
    }
}

#[test]
fn skips_without_an_end_are_an_error() {
    let (apollo, mut optim, _) = new_run(plan());
    let mut apollo = apollo.with_non_finite_gradients(NonFiniteGradients::Skip { in_a_row: 2 });
    let mut bad = |apollo: &mut Apollo<Net>| {
        let grads = gradients(apollo, f64::NAN);
        apollo.update(&mut optim, 0.01, grads)
    };
    for _ in 0..2 {
        assert!(bad(&mut apollo).unwrap().skipped.is_some());
    }
    let error = bad(&mut apollo).unwrap_err();
    assert!(matches!(error, ApolloError::Skipped { step: 2, skipped: 2, .. }), "{error}");
    // A good step begins the count anew.
    let mut optim = adamw();
    train(&mut apollo, &mut optim, 1);
    let grads = gradients(&apollo, f64::NAN);
    assert!(apollo.update(&mut optim, 0.01, grads).unwrap().skipped.is_some());
}

#[test]
fn a_plateau_without_losses_is_an_error() {
    let stages = Schedule::one_hop(&[1], &[4], 0.75);
    let (mut apollo, mut optim, _) =
        new_run(plan().with_schedule(stages).with_policy(LossPlateau::new(5).unwrap()));
    train(&mut apollo, &mut optim, 8);
    let grads = gradients(&apollo, 1.0);
    let error = apollo.update(&mut optim, 0.01, grads).unwrap_err().to_string();
    assert!(error.contains("loss_plateau") && error.contains("record_loss"), "{error}");
    // The step was taken, and a loss mends it.
    assert_eq!((apollo.step_count(), apollo.stage()), (9, 0));
    apollo.record_loss(8, 1.0);
    train(&mut apollo, &mut optim, 1);
    assert_eq!(apollo.stage(), 1);
}

#[test]
fn depths_beyond_any_model_are_refused() {
    let error = Stacking.map(1, usize::MAX).unwrap_err();
    assert_eq!(error.field, "depth");
    let error = DepthPmf::from_weights(usize::MAX, vec![1.0, 1.0]).unwrap_err();
    assert_eq!(error.field, "depth");
    assert_eq!(Uniform.pmf(1, usize::MAX).unwrap_err().field, "depth");
}

/// Panics when it is told to.
#[derive(Debug, Clone, Serialize)]
struct Panics {
    #[serde(skip)]
    now: Arc<AtomicBool>,
}

impl Panics {
    fn new(now: bool) -> (Self, Arc<AtomicBool>) {
        let now = Arc::new(AtomicBool::new(now));
        (Self { now: now.clone() }, now)
    }

    fn maybe(&self) {
        assert!(!self.now.load(Ordering::SeqCst), "as the test wants");
    }
}

impl DepthSampler for Panics {
    fn pmf(&self, unique: usize, _target: usize) -> Result<DepthPmf, PlanError> {
        self.maybe();
        Ok(DepthPmf::always(unique))
    }
}

impl Expander for Panics {
    fn map(&self, source: usize, target: usize) -> Result<LayerMap, PlanError> {
        self.maybe();
        Stacking.map(source, target)
    }
}

impl GrowthPolicy for Panics {
    fn decide(&mut self, now: &Observation<'_>) -> Decision {
        self.maybe();
        if now.step >= now.stage_end { Decision::Grow } else { Decision::Stay }
    }
}

#[test]
fn panics_of_a_users_own_parts_are_its_own() {
    let (panics, _) = Panics::new(true);
    for plan in [
        plan().with_sampler(DepthSamplerConfig::custom("panics", panics.clone()).unwrap()),
        plan().with_expander(ExpanderConfig::custom("panics", panics.clone()).unwrap()),
    ] {
        let panic = catch_unwind(AssertUnwindSafe(|| Apollo::new(net(), plan))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"as the test wants"));
    }
    let (panics, now) = Panics::new(false);
    let plan = plan().with_policy(GrowthPolicyConfig::custom("panics", panics).unwrap());
    let (mut apollo, mut optim, _) = new_run(plan);
    now.store(true, Ordering::SeqCst);
    let grads = gradients(&apollo, 1.0);
    let update = AssertUnwindSafe(|| apollo.update(&mut optim, 0.01, grads));
    assert!(catch_unwind(update).is_err(), "the policy's panic is the caller's");
    now.store(false, Ordering::SeqCst);
    train(&mut apollo, &mut optim, 2);
    assert_eq!((apollo.step_count(), apollo.stage()), (3, 1));
}

#[test]
fn a_plan_with_a_part_that_nobody_supplied_says_so() {
    let (panics, _) = Panics::new(false);
    let written = plan().with_sampler(DepthSamplerConfig::custom("mine", panics.clone()).unwrap());
    let read: Plan = toml::from_str(&toml::to_string(&written).unwrap()).unwrap();
    assert_eq!(read, written);
    let error = Apollo::new(net(), read.clone()).unwrap_err().to_string();
    assert!(error.contains("`sampler`") && error.contains("\"mine\""), "{error}");
    let supplied = read.with_sampler(DepthSamplerConfig::custom("mine", panics).unwrap());
    assert!(Apollo::new(net(), supplied).is_ok());
}

#[test]
fn gradients_of_uses_are_those_of_the_layers_alone() {
    let net = net();
    let untied = Untied::new(&net);
    let x = Tensor::random([2, 4], Distribution::Default, &device());
    let loss = untied.model().loss(x);
    let grads = GradientsParams::from_grads(loss.backward(), untied.model());
    let uses = untied.gradients(&grads).remove(0);
    assert_eq!(uses.iter().map(|use_| use_.dims()[0]).collect::<Vec<_>>(), [20; 4]);
}

#[test]
fn groups_of_rates_that_a_growth_would_leave_behind_are_refused_at_the_first_step() {
    let rates = |group| {
        ModuleLrScheduler::new(ConstantLr::new(0.01)).with_group(group, ConstantLr::new(0.001))
    };
    let numbered = || ParamGroup::from_regex(r"^blocks\.0\.").unwrap();
    let (mut apollo, mut optim, _) = new_run(plan());
    let (block, input) = (apollo.model().blocks[0].weight.id, apollo.model().input.weight.id);
    for (group, words) in [
        (numbered(), ["of the learning rate", "`blocks.0.", "`blocks.1.", "all layers share"]),
        (
            ParamGroup::from_ids(vec![block]),
            ["of the learning rate", "`blocks.0.weight`", "by its id", "all layers share"],
        ),
    ] {
        let grads = gradients(&apollo, 1.0);
        let error = apollo.update(&mut optim, rates(group).step(), grads).unwrap_err();
        assert!(matches!(error, ApolloError::Other(_)), "{error}");
        assert_eq!((apollo.step_count(), optim.to_record().len()), (0, 0));
        let error = error.to_string();
        words.iter().for_each(|w| assert!(error.contains(w), "{error} should contain {w}"));
    }

    let train = |apollo: &mut Apollo<Net>, mut lr: ModuleLrScheduler, steps: u64| {
        let mut optim = adamw();
        for _ in 0..steps {
            let grads = gradients(apollo, 1.0);
            apollo.update(&mut optim, lr.step(), grads).unwrap();
        }
    };
    // What all layers share, and what is outside of them, may be named as one likes.
    let outside = rates(ParamGroup::from_predicate(".weight"))
        .with_group(ParamGroup::from_ids(vec![input]), ConstantLr::new(0.002));
    train(&mut apollo, outside, 12);
    assert_eq!(apollo.stage(), 2);
    // A run that grows no more may name layers by number.
    let (mut apollo, ..) = new_run(Plan::new(3).with_schedule(Schedule::from_scratch(&[4])));
    train(&mut apollo, rates(numbered()), 3);
}
