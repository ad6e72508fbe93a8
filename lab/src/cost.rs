//! What a training holds in memory, and what a budget buys.

use burn_apollo::cost::ModelCost;
use burn_apollo::schedule::{LrShape, WarmUp};
use serde::{Deserialize, Serialize};

/// Numbers that a training holds for a model with some of its layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Parameters, each layer's once, however often it runs.
    pub parameters: u64,
    /// The optimizer's state: two for each parameter with Adam, one with a momentum alone.
    pub state: u64,
}

impl Size {
    /// Bytes of parameters, their gradients and the optimizer's state, each number with 4 bytes. Not counted are
    /// activations, which grow with the batch and the virtual depth, and what a step needs beside them.
    pub fn bytes(self) -> u64 {
        4 * (2 * self.parameters + self.state)
    }
}

/// A run that grows once, and what its schedule has to leave room for.
///
/// Steps before the growth are cheap and steps after it dear, so a budget buys most steps where the growth is late. But a grown
/// model takes some steps to catch up, its mixing time, and what is left of the run must be as long; nor may it grow after
/// the rate has begun to fall (Bu, arXiv 2511.04981).
///
/// ```
/// use burn_apollo::cost::ModelCost;
/// use burn_apollo_lab::cost::Hop;
///
/// // From one layer to four, of equal cost, with one item in a step; the last fifth of the run decays.
/// let hop = Hop { first: vec![1], full: vec![4], decay: 0.2, mixing: 10, items: 1 };
/// let best = hop.within(&ModelCost::of_layer(1.0, 0.0), 480.0).unwrap();
/// // 80 steps of one layer and 20 of four: three operations for each layer.
/// assert_eq!((best.steps, best.growth, best.operations), (100, 80, 480.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// Layers before the growth, stack by stack; they run as they are, without virtual depth.
    pub first: Vec<usize>,
    /// Layers of the full model, stack by stack.
    pub full: Vec<usize>,
    /// The part of the run, at its end, in which the rate falls, from 0 to 1.
    pub decay: f64,
    /// Steps that a grown model takes to catch up.
    pub mixing: u64,
    /// Items (tokens, images) in a step.
    pub items: u64,
}

/// What a budget buys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HopSchedule {
    /// Optimizer steps of the run.
    pub steps: u64,
    /// The step before which it grows; 0 for a run that is full from the first step.
    pub growth: u64,
    /// Operations of the run.
    pub operations: f64,
}

impl Hop {
    /// The growth of a run of so many steps: as late as mixing time and decay allow.
    pub fn growth(&self, steps: u64) -> u64 {
        let decay = self.decay.clamp(0.0, 1.0);
        let lr = LrShape::WarmupStableDecay { warm_up: WarmUp::Steps(0), decay, end: 0.0 };
        lr.decay_begins(steps).min(steps.saturating_sub(self.mixing))
    }

    /// A run of so many steps.
    pub fn of_steps(&self, model: &ModelCost, steps: u64) -> HopSchedule {
        let growth = self.growth(steps);
        let [small, full] = [(growth, &self.first), (steps - growth, &self.full)]
            .map(|(steps, layers)| steps as f64 * self.items as f64 * model.training(layers));
        HopSchedule { steps, growth, operations: small + full }
    }

    /// The longest run that costs no more than so many operations; none where they do not suffice for one step.
    pub fn within(&self, model: &ModelCost, budget: f64) -> Option<HopSchedule> {
        let affordable = |steps: u64| self.of_steps(model, steps).operations <= budget;
        // One step more never costs less, as no step is free.
        let (mut low, mut high) = (0_u64, 1_u64);
        while affordable(high) {
            (low, high) = (high, high.checked_mul(2).filter(|high| *high < 1 << 52)?);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match affordable(middle) {
                true => low = middle,
                false => high = middle,
            }
        }
        (low > 0).then(|| self.of_steps(model, low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_takes_sixteen_bytes_for_each_parameter() {
        assert_eq!(Size { parameters: 10, state: 20 }.bytes(), 160);
        assert_eq!(Size { parameters: 10, state: 10 }.bytes(), 120);
    }

    fn hop(mixing: u64) -> Hop {
        Hop { first: vec![2], full: vec![12], decay: 0.2, mixing, items: 8 }
    }

    #[test]
    fn growth_leaves_room_for_the_longer_of_mixing_and_decay() {
        assert_eq!(hop(0).growth(1000), 800);
        assert_eq!(hop(350).growth(1000), 650);
        assert_eq!(hop(350).growth(100), 0, "too short to grow");
        assert_eq!(hop(0).growth(7), 6, "a decay is rounded down, as the learning rate's");
    }

    #[test]
    fn a_budget_buys_the_longest_run_that_it_pays_for() {
        let model = ModelCost::transformer(64, 256, 64, 256);
        for mixing in [0, 40, 5000] {
            let hop = hop(mixing);
            for steps in [1, 2, 39, 1000, 123_456] {
                let exact = hop.of_steps(&model, steps);
                let found = hop.within(&model, exact.operations).unwrap();
                assert_eq!(found, exact);
                let less = hop.within(&model, exact.operations * (1.0 - 1e-9));
                assert_eq!(less.map_or(0, |found| found.steps), steps - 1);
            }
        }
        assert_eq!(hop(0).within(&model, 1.0), None);
        assert_eq!(hop(0).within(&model, f64::NAN), None);
    }

    /// A longer mixing time buys fewer steps.
    #[test]
    fn mixing_costs_steps() {
        let model = ModelCost::of_layer(1.0, 1.0);
        let steps = [0, 100, 1000, 10_000].map(|t| hop(t).within(&model, 1e6).unwrap().steps);
        assert!(steps.is_sorted_by(|a, b| a >= b), "{steps:?}");
        assert!(steps[0] > steps[3]);
    }
}
