//! How long runs by two plans are the same.

use core::ops::Range;

use super::{Plan, PlanError};
use crate::policy::Policy;
use crate::schedule::Timeline;

impl Plan {
    /// Optimizer steps after which runs by this plan and by `other`, of one model whose stacks have these target depths,
    /// are still in the same state: they took the same layers at depths from the same distribution, by the same maps, at
    /// the same rates, and grew alike. Model, data, optimizer and peak rate are taken to be the same.
    ///
    /// A growth belongs to the step before it: where only one of the runs grows before step `g`, or they grow by other
    /// rules, they are the same for `g - 1` steps. Runs whose growth does not follow from the schedule alone (a
    /// [`Policy`] that is not fixed) count as different unless the plans are equal. The answer is never too high; it may be
    /// too low by the first step of a decay, whose rate is still the peak.
    ///
    /// ```
    /// use burn_apollo::recipe::{Recipe, Setting};
    ///
    /// let setting = Setting::new(1000, &[12]).with_output_projections(["proj"]);
    /// let plan = |name| Recipe::by_name(name)?.plan(&setting);
    /// // Both grow before step 800, by other rules.
    /// assert_eq!(plan("late_hop")?.common_steps(&plan("late_hop_zeroed")?, &[12])?, 799);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A plan that does not fit the stacks.
    pub fn common_steps(&self, other: &Self, targets: &[usize]) -> Result<u64, PlanError> {
        let (own, others) = (self.timeline(targets)?, other.timeline(targets)?);
        if self == other {
            return Ok(self.steps);
        }
        let drawn = |plan: &Self| (plan.seed, plan.draw_per, plan.step_seeds);
        let fixed = |plan: &Self| plan.policy == Policy::Fixed;
        if drawn(self) != drawn(other) || !fixed(self) || !fixed(other) {
            return Ok(0);
        }
        let rates = self.lr.common_steps(self.steps, &other.lr, other.steps);
        let steps = self.steps.min(other.steps);
        Ok(self.common_stages(&own, other, &others, targets)?.min(rates).min(steps))
    }

    /// Steps for which the stages are the same.
    fn common_stages(
        &self,
        own: &Timeline,
        other: &Self,
        others: &Timeline,
        targets: &[usize],
    ) -> Result<u64, PlanError> {
        let mut begin = 0;
        for stage in 0..own.stages().max(others.stages()) {
            let layers = own.layers(stage);
            let grows = stage > 0;
            if layers != others.layers(stage) || (grows && !self.grows_like(other)) {
                return Ok(u64::saturating_sub(begin, u64::from(grows)));
            }
            let last = |timeline: &Timeline| stage + 1 >= timeline.stages();
            let ends = [own, others].map(|timeline| match last(timeline) {
                true => u64::MAX,
                false => timeline.end(stage),
            });
            let end = ends[0].min(ends[1]);
            if let Some(step) = self.first_difference(other, begin..end, stage, layers, targets)? {
                return Ok(step);
            }
            if ends[0] != ends[1] {
                return Ok(end - 1);
            }
            begin = end;
        }
        Ok(begin)
    }

    /// Whether growths make the same layers, with the same optimizer state and the same rates from then on.
    fn grows_like(&self, other: &Self) -> bool {
        self.expander == other.expander
            && self.new_layers == other.new_layers
            && self.moments == other.moments
            && self.moment_orders == other.moment_orders
            && self.lr_at_growth == other.lr_at_growth
            && self.layer_rates == other.layer_rates
    }

    /// The first of these steps of a stage that the plans take in other ways, or before which they validate in other ways.
    fn first_difference(
        &self,
        other: &Self,
        steps: Range<u64>,
        stage: usize,
        layers: &[usize],
        targets: &[usize],
    ) -> Result<Option<u64>, PlanError> {
        // Full depth is validated at in every stage.
        if layers != targets && self.expander != other.expander {
            return Ok(Some(steps.start));
        }
        let mut begins = [self, other].map(|plan| plan.sampler_begins(&steps)).concat();
        let rates_end = [self, other].map(|plan| plan.layer_rates.end(plan.steps));
        begins.extend(rates_end.into_iter().flatten().filter(|end| steps.contains(end)));
        begins.sort_unstable();
        for step in begins {
            // No layer is older than the growths before.
            let rate = |plan: &Self, age| plan.layer_rates.factor(age, step, plan.steps);
            if (0..=stage).any(|age| rate(self, age) != rate(other, age)) {
                return Ok(Some(step));
            }
            for (unique, target) in layers.iter().zip(targets) {
                let [own, others] = [self, other].map(|plan| plan.pmf(step, *unique, *target));
                if !own?.iter().eq(others?.iter()) {
                    return Ok(Some(step));
                }
            }
        }
        Ok(None)
    }
}
