use super::{Recipe, Setting};
use crate::depth::{ConstantHigh, ConstantLow, Sigmoid, Uniform};
use crate::expand::{MiddleStacking, Stacking};
use crate::plan::{MomentPolicy, Plan, PlanError};
use crate::schedule::{LayerRates, LrShape, Schedule, Until};

pub(super) const ALL: &[Recipe] = &[
    copied("scratch", "-", "the full model from the first step, warm-up–stable–decay", scratch),
    copied("scratch_cosine", "-", "the full model from the first step, one cosine", |setting| {
        scratch(setting).with_lr(cosine())
    }),
    copied(
        "apollo",
        "Pan, Yuan et al., AAAI 2024, arXiv 2401.09192",
        "1/12, 1/4, 1/2, all layers until 5, 10, 25, 100 % of the run, LVPS, interpolation, one cosine",
        |setting| apollo(setting).with_lr(cosine()),
    ),
    copied(
        "apollo_wsd",
        "Pan, Yuan et al., AAAI 2024, arXiv 2401.09192, with another learning rate",
        "as apollo, with warm-up–stable–decay",
        apollo,
    ),
    copied(
        "apollo_uniform",
        "Pan, Yuan et al., AAAI 2024, ablation",
        "as apollo_wsd, with depths drawn uniformly",
        |setting| apollo(setting).with_sampler(Uniform),
    ),
    copied(
        "apollo_sigmoid",
        "Pan, Yuan et al., AAAI 2024, ablation",
        "as apollo_wsd, with depths drawn from a sigmoid",
        |setting| apollo(setting).with_sampler(Sigmoid),
    ),
    copied(
        "apollo_high",
        "Pan, Yuan et al., AAAI 2024, ablation",
        "as apollo_wsd, always at full depth",
        |setting| apollo(setting).with_sampler(ConstantHigh),
    ),
    copied(
        "apollo_low",
        "Pan, Yuan et al., AAAI 2024, without its sampling",
        "as apollo_wsd, always at the unique layers",
        |setting| apollo(setting).with_sampler(ConstantLow),
    ),
    copied(
        "apollo_stacking",
        "Pan, Yuan et al., AAAI 2024, ablation",
        "as apollo_wsd, with stacking in place of interpolation",
        |setting| apollo(setting).with_expander(Stacking),
    ),
    copied(
        "stackbert",
        "Gong et al., ICML 2019",
        "1/4, 1/2, all layers until 6.25, 15, 100 % of the run, stacking, fresh optimizer",
        stackbert,
    ),
    copied(
        "g_stack",
        "Du et al., NeurIPS 2024, arXiv 2405.15319",
        "a quarter of the layers until 10 % of the run, then all by stacking, fresh optimizer",
        g_stack,
    ),
    copied(
        "midas",
        "Saunshi et al., NeurIPS 2024, arXiv 2409.19044",
        "four stages of a quarter more layers, each as long as its layers, copies of the middle block",
        |setting| midas(setting, MiddleStacking::new),
    ),
    copied(
        "lidas",
        "Kapl et al. 2025, arXiv 2512.08819",
        "as midas, copies of the layers at the exact middle",
        |setting| midas(setting, MiddleStacking::centred),
    ),
    copied(
        "mslt",
        "Yang et al. 2020, arXiv 2011.13635",
        "a quarter more layers on top at 20, 40, 60 % of the run, new layers alone are trained until 80 %, then all",
        mslt,
    ),
    copied(
        "zero_layer",
        "Bu, ICML 2026, arXiv 2511.04981",
        "no layer until 80 % of the run, then all, new",
        |setting| hop(setting, |_| 0, 0.8),
    ),
    copied(
        "one_layer",
        "Bu, ICML 2026, arXiv 2511.04981",
        "one layer until 80 % of the run, then all",
        |setting| hop(setting, |_| 1, 0.8),
    ),
    copied(
        "late_hop",
        "of burn-apollo, not published",
        "a sixth of the layers until 80 % of the run, then all",
        |setting| hop(setting, sixth, 0.8),
    ),
    zeroed(
        "late_hop_zeroed",
        "of burn-apollo, not published; zeroed: Net2Net (arXiv 1511.05641), LEMON (arXiv 2310.07999)",
        "as late_hop, new layers begin as the identity",
        |setting| hop(setting, sixth, 0.8),
    ),
    zeroed(
        "half_zeroed",
        "LEMON, ICLR 2024, arXiv 2310.07999, in depth",
        "half of the layers until 70 % of the run, then all, new layers begin as the identity",
        |setting| hop(setting, half, 0.7),
    ),
    zeroed(
        "quarter_zeroed",
        "LEMON, ICLR 2024, arXiv 2310.07999, in depth",
        "a quarter of the layers until 80 % of the run, then all, new layers begin as the identity",
        |setting| hop(setting, quarter, 0.8),
    ),
    zeroed(
        "quarter_in_decay",
        "of burn-apollo, after LEMON (ICLR 2024, arXiv 2310.07999)",
        "as quarter_zeroed, until 90 % of the run: the middle of the learning rate's decay",
        |setting| hop(setting, quarter, 0.9),
    ),
    zeroed(
        "two_hops_zeroed",
        "of burn-apollo, not published",
        "a sixth, half, all layers until 50, 80, 100 % of the run, new layers begin as the identity",
        |setting| base(setting, stages(setting, &[(sixth, 0.5), (half, 0.8), (all, 1.0)])),
    ),
    copied(
        "gradual",
        "of burn-apollo, after MIDAS (arXiv 2409.19044)",
        "as midas, until 20, 40, 60, 100 % of the run",
        |setting| {
            let plan = midas(setting, MiddleStacking::new);
            plan.with_schedule(stages(setting, &QUARTERS))
        },
    ),
    zeroed(
        "gradual_zeroed",
        "of burn-apollo, after MIDAS (arXiv 2409.19044) and LEMON (arXiv 2310.07999)",
        "a quarter more layers until 20, 40, 60, 100 % of the run, new layers begin as the identity",
        |setting| base(setting, stages(setting, &QUARTERS)),
    ),
    copied(
        "share_then_unshare",
        "Yang et al. 2021, arXiv 2110.03848",
        "one layer tied at full depth until 10 % of the run, then untied",
        |setting| hop(setting, |_| 1, 0.1).with_sampler(ConstantHigh),
    ),
];

/// A recipe whose new layers are copies.
const fn copied(
    name: &'static str,
    source: &'static str,
    summary: &'static str,
    plan: fn(&Setting) -> Plan,
) -> Recipe {
    Recipe { name, source, summary, zeroed: false, plan }
}

/// A recipe whose new layers begin as the identity.
const fn zeroed(
    name: &'static str,
    source: &'static str,
    summary: &'static str,
    plan: fn(&Setting) -> Plan,
) -> Recipe {
    Recipe { zeroed: true, ..copied(name, source, summary, plan) }
}

/// A plan without growth or sampling, with the learning rate that late growth wants.
fn base(setting: &Setting, schedule: Schedule) -> Plan {
    Plan::new(setting.steps)
        .with_schedule(schedule)
        .with_sampler(ConstantLow)
        .with_lr(warmup_stable_decay())
}

fn warmup_stable_decay() -> LrShape {
    LrShape::WarmupStableDecay { warm_up: 0.02.into(), decay: 0.2, end: 0.0 }
}

fn cosine() -> LrShape {
    LrShape::Cosine { warm_up: 0.025.into(), end: 0.1 }
}

fn scratch(setting: &Setting) -> Plan {
    base(setting, Schedule::from_scratch(&setting.targets))
}

fn apollo(setting: &Setting) -> Plan {
    let schedule = Schedule::paper(&setting.targets);
    Plan::new(setting.steps).with_schedule(schedule).with_lr(warmup_stable_decay())
}

/// A stage: its layers of so many, and the fraction of the run where it ends.
type Part = (fn(usize) -> usize, f64);

fn sixth(layers: usize) -> usize {
    layers.div_ceil(6)
}

fn quarter(layers: usize) -> usize {
    layers.div_ceil(4)
}

fn half(layers: usize) -> usize {
    layers.div_ceil(2)
}

fn three_quarters(layers: usize) -> usize {
    (3 * layers).div_ceil(4)
}

fn all(layers: usize) -> usize {
    layers
}

fn stages(setting: &Setting, parts: &[Part]) -> Schedule {
    Schedule::of_parts(&setting.targets, parts.iter().copied())
}

/// One growth from some layers to all.
fn hop(setting: &Setting, first: fn(usize) -> usize, fraction: f64) -> Plan {
    base(setting, stages(setting, &[(first, fraction), (all, 1.0)]))
}

/// The authors train 50,000 steps at a quarter, 70,000 at half, 800,000 in all.
fn stackbert(setting: &Setting) -> Plan {
    let parts: [Part; 3] = [(quarter, 0.0625), (half, 0.15), (all, 1.0)];
    base(setting, stages(setting, &parts)).with_expander(Stacking).with_moments(MomentPolicy::Reset)
}

fn g_stack(setting: &Setting) -> Plan {
    hop(setting, quarter, 0.1).with_expander(Stacking).with_moments(MomentPolicy::Reset)
}

/// Stage `i` of four takes `i` tenths of the run (Prop-1 of the paper).
fn midas(setting: &Setting, middle: fn(usize) -> Result<MiddleStacking, PlanError>) -> Plan {
    let parts: [Part; 4] = [(quarter, 0.1), (half, 0.3), (three_quarters, 0.6), (all, 1.0)];
    let block = setting.targets.first().map_or(1, |target| quarter(*target));
    let plan = base(setting, stages(setting, &parts)).with_moments(MomentPolicy::Copy);
    match middle(block) {
        Ok(middle) => plan.with_expander(middle),
        Err(_) => plan,
    }
}

/// A quarter of the layers more at every fifth of the run, up to three of them.
const QUARTERS: [Part; 4] = [(quarter, 0.2), (half, 0.4), (three_quarters, 0.6), (all, 1.0)];

/// Copies of the top layers are put on top; the others are frozen until all are trained together.
fn mslt(setting: &Setting) -> Plan {
    let (factors, until) = (vec![1.0, 0.0], Until::Fraction(0.8));
    base(setting, stages(setting, &QUARTERS))
        .with_expander(Stacking)
        .with_moments(MomentPolicy::Reset)
        .with_layer_rates(LayerRates::ByAgeUntil { factors, until })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::{Expander, NewLayers};

    fn plan(name: &str) -> Plan {
        let setting = Setting::new(1000, &[12]).with_output_projections(["out"]);
        Recipe::by_name(name).unwrap().plan(&setting).unwrap()
    }

    /// Layers and ends of the stages.
    fn stages(name: &str) -> Vec<(usize, u64)> {
        let timeline = plan(name).timeline(&[12]).unwrap();
        (0..timeline.stages()).map(|s| (timeline.layers(s)[0], timeline.end(s))).collect()
    }

    #[test]
    fn every_recipe_fits_every_depth() {
        for recipe in Recipe::all() {
            for targets in [&[1][..], &[2], &[3], &[4], &[7], &[12], &[24], &[6, 12]] {
                let setting = Setting::new(1000, targets).with_output_projections(["out"]);
                let plan = recipe.plan(&setting).unwrap();
                assert_eq!(plan.check(targets), Ok(()), "{} of {targets:?}", recipe.name());
                assert_eq!(plan.cautions(), [], "{}", recipe.name());
                let text = serde_json::to_string(&plan).unwrap();
                assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
            }
            assert!(Recipe::all().iter().filter(|r| r.name() == recipe.name()).count() == 1);
        }
    }

    #[test]
    fn stages_are_those_of_the_papers() {
        assert_eq!(stages("scratch"), [(12, 1000)]);
        assert_eq!(stages("apollo"), [(1, 50), (3, 100), (6, 250), (12, 1000)]);
        assert_eq!(stages("stackbert"), [(3, 63), (6, 150), (12, 1000)]);
        assert_eq!(stages("g_stack"), [(3, 100), (12, 1000)]);
        assert_eq!(stages("midas"), [(3, 100), (6, 300), (9, 600), (12, 1000)]);
        assert_eq!(stages("lidas"), stages("midas"));
        assert_eq!(stages("gradual"), [(3, 200), (6, 400), (9, 600), (12, 1000)]);
        assert_eq!(stages("gradual_zeroed"), stages("gradual"));
        assert_eq!(stages("mslt"), stages("gradual"));
        assert_eq!(stages("zero_layer"), [(0, 800), (12, 1000)]);
        assert_eq!(stages("one_layer"), [(1, 800), (12, 1000)]);
        assert_eq!(stages("late_hop"), [(2, 800), (12, 1000)]);
        assert_eq!(stages("quarter_zeroed"), [(3, 800), (12, 1000)]);
        assert_eq!(stages("quarter_in_decay"), [(3, 900), (12, 1000)]);
        assert_eq!(stages("two_hops_zeroed"), [(2, 500), (6, 800), (12, 1000)]);
        assert_eq!(stages("share_then_unshare"), [(1, 100), (12, 1000)]);
    }

    #[test]
    fn copies_depths_and_moments_are_those_of_the_papers() {
        let map = |name, from, to| plan(name).expander.map(from, to).unwrap().as_slice().to_vec();
        assert_eq!(map("stackbert", 3, 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(map("g_stack", 3, 12), [0, 1, 2].repeat(4));
        // Of two blocks of three, the first is the middle one; of three, the second.
        assert_eq!(map("midas", 6, 9), [0, 1, 2, 0, 1, 2, 3, 4, 5]);
        assert_eq!(map("midas", 9, 12), [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8]);
        assert_eq!(map("gradual", 6, 9), map("midas", 6, 9));
        assert_eq!(
            map("mslt", 6, 9),
            [0, 1, 2, 3, 4, 5, 3, 4, 5],
            "copies of the top layers on top"
        );
        assert_eq!(map("lidas", 6, 9), [0, 1, 2, 3, 1, 2, 3, 4, 5]);
        assert_eq!(map("lidas", 3, 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(map("apollo", 3, 6), [0, 0, 1, 1, 2, 2]);
        for (name, mean) in [("apollo", 4.226), ("apollo_low", 3.0), ("apollo_high", 12.0)] {
            assert!((plan(name).pmf(0, 3, 12).unwrap().mean() - mean).abs() < 5e-4, "{name}");
        }
        assert_eq!(plan("share_then_unshare").pmf(0, 1, 12).unwrap().mean(), 12.0);
        assert_eq!(plan("g_stack").moments, MomentPolicy::Reset);
        assert_eq!(plan("midas").moments, MomentPolicy::Copy);
        assert_eq!(plan("late_hop_zeroed").new_layers, NewLayers::zeroed(["out"]));
        assert_eq!(plan("late_hop").new_layers, NewLayers::Copies);
    }

    #[test]
    fn zeroed_layers_need_the_names_of_what_is_zero() {
        let nameless = Setting::new(1000, &[12]);
        for recipe in Recipe::all() {
            let name = recipe.name();
            let zeroed = plan(name).new_layers == NewLayers::zeroed(["out"]);
            assert_eq!(recipe.is_zeroed(), zeroed, "{name}");
            assert_eq!(recipe.plan(&nameless).is_err(), zeroed, "{name}");
            let named = name.ends_with("_zeroed") || name == "quarter_in_decay";
            assert_eq!(zeroed, named, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_says_which_there_are() {
        let error = Recipe::by_name("lottery").unwrap_err().to_string();
        assert!(error.contains("\"lottery\"") && error.contains("g_stack"), "{error}");
    }
}
