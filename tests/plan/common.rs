//! How long runs by two plans are the same, against a comparison of every step.

use burn_apollo::Plan;
use burn_apollo::depth::{ConstantHigh, ConstantLow, Lvps, Sampler, Uniform};
use burn_apollo::expand::{Expansion, Interpolation, NewLayers, Stacking};
use burn_apollo::plan::{EarlySampler, MomentPolicy};
use burn_apollo::policy::LossPlateau;
use burn_apollo::schedule::{LayerRates, LrAtGrowth, LrShape, Schedule, Stage, Until, WarmUp};
use proptest::prelude::*;

const TARGETS: [usize; 1] = [12];

/// All that two runs would show of a step, and the growth before it.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    layers: Vec<usize>,
    depths: Vec<(usize, u64)>,
    /// The maps to other depths: full depth is validated at.
    expander: Option<Expansion>,
    rate: u64,
    /// The factors on it, by age.
    layer_rates: Vec<u64>,
}

/// Every step, and how growths are made.
fn steps(plan: &Plan) -> Vec<Step> {
    let timeline = plan.timeline(&TARGETS).unwrap();
    let mut scheduler = plan.lr.scheduler(0.01, plan.steps).unwrap();
    let growths: Vec<u64> = (0..timeline.stages() - 1).map(|stage| timeline.end(stage)).collect();
    let step = |step: u64| {
        let stage = growths.iter().filter(|growth| **growth <= step).count();
        let layers = timeline.layers(stage).to_vec();
        let pmf = plan.pmf(step, layers[0], TARGETS[0]).unwrap();
        let depths = pmf.iter().map(|(depth, p)| (depth, p.to_bits())).collect();
        let expander = (layers != TARGETS).then(|| plan.expander.clone());
        let rate = scheduler.step().base() * plan.lr_at_growth.factor(step, &growths);
        let factor = |age| plan.layer_rates.factor(age, step, plan.steps).to_bits();
        let layer_rates = (0..=stage).map(factor).collect();
        Step { layers, depths, expander, rate: rate.to_bits(), layer_rates }
    };
    (0..plan.steps).map(step).collect()
}

/// The steps after which both are in the same state.
fn compared(a: &Plan, b: &Plan) -> u64 {
    if a.seed != b.seed {
        return 0;
    }
    let rules = |plan: &Plan| {
        let rates = (plan.lr_at_growth, plan.layer_rates.clone());
        (plan.expander.clone(), plan.new_layers.clone(), plan.moments, rates)
    };
    let (left, right) = (steps(a), steps(b));
    let length = left.len().min(right.len());
    for i in 0..length {
        let grows = |steps: &[Step]| i > 0 && steps[i].layers != steps[i - 1].layers;
        let (grew_left, grew_right) = (grows(&left), grows(&right));
        let growths_differ = grew_left != grew_right
            || left[i].layers != right[i].layers
            || (grew_left && rules(a) != rules(b));
        if growths_differ {
            return (i as u64).saturating_sub(1);
        }
        if left[i] != right[i] {
            return i as u64;
        }
    }
    length as u64
}

fn lr() -> impl Strategy<Value = LrShape> {
    let warm_up = prop_oneof![
        Just(WarmUp::Fraction(0.1)),
        Just(WarmUp::Fraction(0.02)),
        (1_u64..8).prop_map(WarmUp::Steps)
    ];
    let end = prop_oneof![Just(0.0), Just(0.1)];
    (0..3, warm_up, prop_oneof![Just(0.0), Just(0.2), Just(0.5)], end).prop_map(
        |(kind, warm_up, decay, end)| match kind {
            0 => LrShape::Constant,
            1 => LrShape::Cosine { warm_up, end },
            _ => LrShape::WarmupStableDecay { warm_up, decay, end },
        },
    )
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let until = prop_oneof![(0.1..0.9).prop_map(Until::Fraction), (2_u64..9).prop_map(Until::Step)];
    let hop = (prop_oneof![Just(0), Just(2), Just(6)], until).prop_map(|(layers, until)| {
        let first = Stage { layers: vec![layers], until: Some(until) };
        Schedule { stages: vec![first, Stage { layers: vec![12], until: None }] }
    });
    prop_oneof![
        Just(Schedule::from_scratch(&TARGETS)),
        Just(Schedule::paper(&TARGETS)),
        hop.clone(),
        hop,
    ]
}

prop_compose! {
    fn plans()(
        steps in 10_u64..60,
        seed in prop_oneof![9 => Just(1_u64), 1 => Just(2)],
        lr in lr(),
        schedule in schedule(),
        sampler in sampler(),
        early in prop::collection::vec((sampler(), until()), 0..4),
        layer_rates in layer_rates(),
        expander in prop_oneof![Just(Expansion::from(Interpolation)), Just(Stacking.into())],
        zeroed in any::<bool>(),
        moments in prop_oneof![Just(MomentPolicy::Copy), Just(MomentPolicy::Reset)],
        half in any::<bool>(),
    ) -> Plan {
        let new_layers = if zeroed { NewLayers::zeroed(["out"]) } else { NewLayers::Copies };
        let at_growth = if half { LrAtGrowth::Scale(0.5) } else { LrAtGrowth::Keep };
        let mut early_samplers: Vec<_> =
            early.into_iter().map(|(sampler, until)| EarlySampler { sampler, until }).collect();
        early_samplers.sort_by_key(|early| early.until.step(steps));
        Plan { early_samplers, ..Plan::new(steps) }.with_seed(seed).with_lr(lr).with_schedule(schedule).with_sampler(sampler)
            .with_expander(expander).with_new_layers(new_layers).with_moments(moments)
            .with_lr_at_growth(at_growth).with_layer_rates(layer_rates)
    }
}

fn sampler() -> impl Strategy<Value = Sampler> {
    prop_oneof![
        Just(Sampler::from(ConstantLow)),
        Just(ConstantHigh.into()),
        Just(Uniform.into()),
        Just(Lvps::default().into()),
    ]
}

fn until() -> impl Strategy<Value = Until> {
    prop_oneof![(1_u64..40).prop_map(Until::Step), (0.05..1.0).prop_map(Until::Fraction)]
}

fn layer_rates() -> impl Strategy<Value = LayerRates> {
    let factors = || prop_oneof![Just(vec![1.0, 0.0]), Just(vec![0.5]), Just(vec![1.0, 1.0, 0.3])];
    prop_oneof![
        Just(LayerRates::Equal),
        factors().prop_map(LayerRates::ByAge),
        (factors(), until()).prop_map(|(factors, until)| LayerRates::ByAgeUntil { factors, until }),
    ]
}

/// A plan, and one that differs from it in few fields.
fn pairs() -> impl Strategy<Value = (Plan, Plan)> {
    (plans(), plans(), 0_u16..1 << 11).prop_map(|(a, b, differs)| {
        let bit = |i: u16| differs & (1 << i) & (differs >> 1 | 1 << 10) != 0;
        let c = Plan {
            steps: if bit(0) { b.steps } else { a.steps },
            seed: if bit(1) { b.seed } else { a.seed },
            lr: if bit(2) { b.lr } else { a.lr },
            schedule: if bit(3) { b.schedule } else { a.schedule.clone() },
            sampler: if bit(4) { b.sampler } else { a.sampler.clone() },
            expander: if bit(5) { b.expander } else { a.expander.clone() },
            new_layers: if bit(6) { b.new_layers } else { a.new_layers.clone() },
            moments: if bit(7) { b.moments } else { a.moments },
            lr_at_growth: if bit(8) { b.lr_at_growth } else { a.lr_at_growth },
            early_samplers: if bit(9) { b.early_samplers } else { a.early_samplers.clone() },
            layer_rates: if bit(10) { b.layer_rates } else { a.layer_rates.clone() },
            ..a.clone()
        };
        (a, c)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_is_what_a_comparison_of_every_step_says((a, b) in pairs()) {
        // Some stages leave others no step in so short a run.
        prop_assume!(a.check(&TARGETS).is_ok() && b.check(&TARGETS).is_ok());
        let common = a.common_steps(&b, &TARGETS).unwrap();
        prop_assert_eq!(common, b.common_steps(&a, &TARGETS).unwrap());
        prop_assert!(common <= a.steps.min(b.steps));
        let compared = compared(&a, &b);
        prop_assert!(common <= compared, "{} steps are the same, not {}", compared, common);
        // Rates of phases that are not the same can be: the first of a decay is the peak, for one.
        let rates = |plan: &Plan| {
            let mut scheduler = plan.lr.scheduler(0.01, plan.steps).unwrap();
            (0..plan.steps).map(|_| scheduler.step().base()).collect::<Vec<_>>()
        };
        if a.lr == b.lr && a.steps == b.steps {
            prop_assert_eq!(common, compared);
        } else if common < compared {
            let (left, right) = (rates(&a), rates(&b));
            let alike = |i: &u64| {
                let (x, y) = (left[*i as usize], right[*i as usize]);
                (x - y).abs() <= 1e-12
            };
            prop_assert!((common..compared).all(|i| alike(&i)));
            prop_assert!(compared - common <= 1 || matches!(a.lr, LrShape::Constant) != matches!(b.lr, LrShape::Constant));
        }
    }

    /// It is how long two words begin alike, so of three plans the two lowest answers are equal.
    #[test]
    fn plans_make_a_tree((a, b) in pairs(), c in plans()) {
        prop_assume!([&a, &b, &c].iter().all(|plan| plan.check(&TARGETS).is_ok()));
        let common = |a: &Plan, b: &Plan| a.common_steps(b, &TARGETS).unwrap();
        let mut all = [common(&a, &b), common(&b, &c), common(&a, &c)];
        all.sort_unstable();
        prop_assert_eq!(all[0], all[1]);
    }
}

#[test]
fn a_fixed_warm_up_lets_lengths_share_what_comes_before_their_decay() {
    let scratch = |steps: u64, warm_up: WarmUp| {
        Plan::new(steps)
            .with_schedule(Schedule::from_scratch(&TARGETS))
            .with_sampler(ConstantLow)
            .with_lr(LrShape::WarmupStableDecay { warm_up, decay: 0.2, end: 0.0 })
    };
    let common = |warm_up: WarmUp| {
        let (short, long) = (scratch(500, warm_up), scratch(1000, warm_up));
        short.common_steps(&long, &TARGETS).unwrap()
    };
    assert_eq!(common(WarmUp::Steps(20)), 400);
    assert_eq!(common(WarmUp::Fraction(0.02)), 0);
}

#[test]
fn growth_by_measurements_is_not_shared() {
    let plan = Plan::new(100).with_policy(LossPlateau::new(5).unwrap());
    assert_eq!(plan.common_steps(&plan, &TARGETS).unwrap(), 100);
    let longer = Plan { steps: 200, ..plan.clone() };
    assert_eq!(plan.common_steps(&longer, &TARGETS).unwrap(), 0);
}
