//! Plans that grow early, for the mixing time.

use burn_apollo::Plan;
use burn_apollo::schedule::{LayerRates, Schedule, Stage, Until};

/// Where the last growth of a pilot is, as a fraction of the run.
const GROWTH: f64 = 0.25;

/// The plan with its growths so early that the last is at a quarter of the run, and with them what ends no later than that
/// growth; none where it does not grow.
pub(super) fn early(plan: Plan, targets: &[usize]) -> Option<Plan> {
    let timeline = plan.timeline(targets).ok()?;
    let last = timeline.stages().checked_sub(2)?;
    let scale = (GROWTH * plan.steps as f64 / timeline.end(last) as f64).min(1.0);
    let mut before = 0;
    let stages = (0..timeline.stages()).map(|stage| {
        let end = ((timeline.end(stage) as f64 * scale).round() as u64).max(before + 1);
        before = end;
        let until = (stage <= last).then_some(Until::Step(end));
        Stage { layers: timeline.layers(stage).to_vec(), until }
    });
    let mut plan = plan.with_schedule(Schedule { stages: stages.collect() });
    let (steps, growth) = (plan.steps, timeline.end(last));
    let earlier = |until: &mut Until| {
        let end = until.step(steps);
        if end <= growth {
            *until = Until::Step(((end as f64 * scale).round() as u64).max(1));
        }
    };
    plan.early_samplers.iter_mut().map(|early| &mut early.until).for_each(earlier);
    if let LayerRates::ByAgeUntil { until, .. } = &mut plan.layer_rates {
        earlier(until);
    }
    Some(plan)
}

#[cfg(test)]
mod tests {
    use burn_apollo::depth::ConstantLow;
    use burn_apollo::recipe::{Recipe, Setting};

    use super::*;

    #[test]
    fn a_pilot_grows_in_the_first_quarter() {
        let plan =
            |name: &str| Recipe::by_name(name).unwrap().plan(&Setting::new(1000, &[12])).unwrap();
        let ends = |plan: &Plan| {
            let timeline = plan.timeline(&[12]).unwrap();
            (0..timeline.stages())
                .map(|s| (timeline.layers(s)[0], timeline.end(s)))
                .collect::<Vec<_>>()
        };
        let early = |name: &str| early(plan(name), &[12]);
        assert_eq!(ends(&early("late_hop").unwrap()), [(2, 250), (12, 1000)]);
        let midas = [(3, 42), (6, 125), (9, 250), (12, 1000)];
        assert_eq!(ends(&early("midas").unwrap()), midas);
        // One that grows as early as that stays as it is.
        assert_eq!(ends(&early("g_stack").unwrap()), ends(&plan("g_stack")));
        assert_eq!(early("scratch"), None);
        let own = plan("late_hop").with_early_sampler(ConstantLow, Until::Fraction(0.6));
        let parts = super::early(own, &[12]).unwrap().early_samplers;
        assert_eq!(parts[0].until, Until::Step(188), "three quarters of the way to the growth");
    }
}
