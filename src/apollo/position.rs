//! Where a run stands, and how it came there.

use core::iter::repeat_n;

use super::ApolloError;
use super::error::other;
use crate::expand::LayerMap;
use crate::registry::StackHistory;
use crate::schedule::Timeline;

/// Where a run stands, and how it came there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Optimizer steps done.
    pub(super) step: u64,
    pub(super) growths: Vec<Growth>,
}

/// A growth that was made: where a layer comes from is known from it, whatever the plan's expander says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Growth {
    /// The step before which the model grew.
    pub(super) step: u64,
    /// The stage that began.
    pub(super) stage: usize,
    /// The source of each layer, stack by stack; none for layers without source.
    maps: Vec<Option<LayerMap>>,
}

const FORMAT: u64 = 3;
/// The source of a layer without source.
const NONE: u64 = u64::MAX;

impl Position {
    /// The stage that the run is in.
    pub(super) fn stage(&self) -> usize {
        self.growths.last().map_or(0, |growth| growth.stage)
    }

    /// The step with which it began.
    pub(super) fn stage_start(&self) -> u64 {
        self.growths.last().map_or(0, |growth| growth.step)
    }

    /// The stage that an earlier step ran in.
    pub(super) fn stage_at(&self, step: u64) -> usize {
        self.growths.iter().rfind(|growth| growth.step <= step).map_or(0, |growth| growth.stage)
    }

    pub(super) fn grew(&mut self, stage: usize, maps: Vec<Option<LayerMap>>) {
        self.growths.push(Growth { step: self.step, stage, maps });
    }

    /// Format and step; the stages of the plan; how many growths there were, and of each its step, its stage and the source
    /// of each layer; the policy's state.
    pub(super) fn to_words(&self, timeline: &Timeline, policy_state: &[f64]) -> Vec<u64> {
        let counts = [timeline.stages(), self.growths.len()].map(|count| count as u64);
        let mut words = vec![FORMAT, self.step, counts[0], counts[1]];
        for Growth { step, stage, maps } in &self.growths {
            words.extend([*step, *stage as u64]);
            for (layers, map) in timeline.layers(*stage).iter().zip(maps) {
                match map {
                    Some(map) => words.extend(map.as_slice().iter().map(|source| *source as u64)),
                    None => words.extend(repeat_n(NONE, *layers)),
                }
            }
        }
        words.extend(policy_state.iter().map(|x| x.to_bits()));
        words
    }

    /// The opposite of [`to_words`](Self::to_words).
    pub(super) fn from_words(
        words: &[u64],
        timeline: &Timeline,
    ) -> Result<(Self, Vec<f64>), ApolloError> {
        let (mut left, all, stages) = (words, words.len(), timeline.stages());
        let mut take = |count: usize| {
            let too_few =
                || damaged(format!("{all} words are too few for a plan of {stages} stages"));
            left.split_off(..count).ok_or_else(too_few)
        };
        let format = take(1)?[0];
        if format != FORMAT {
            return Err(damaged(format!(
                "format {format} is unknown, this version reads {FORMAT}"
            )));
        }
        let mut position = Self { step: take(1)?[0], growths: Vec::new() };
        let of = take(1)?[0];
        if of != stages as u64 {
            return Err(damaged(format!("it is of a plan of {of} stages, not of {stages} stages")));
        }
        for _ in 0..take(1)?[0] {
            let (step, began) = (take(1)?[0], take(1)?[0]);
            let (before, last) = (position.stage(), position.stage_start());
            let stage = usize::try_from(began).ok().filter(|s| (before + 1..stages).contains(s));
            let stage = stage.ok_or_else(|| {
                damaged(format!("stage {began} after stage {before} in a plan of {stages} stages"))
            })?;
            if !(last..=position.step).contains(&step) {
                let now = position.step;
                return Err(damaged(format!(
                    "a growth before step {step}, after one before step {last}, of a run at step {now}"
                )));
            }
            let layers = timeline.layers(before).iter().zip(timeline.layers(stage));
            let maps = layers.map(|(from, to)| layer_map(*from, take(*to)?, stage));
            let maps = maps.collect::<Result<_, _>>()?;
            position.growths.push(Growth { step, stage, maps });
        }
        Ok((position, left.iter().map(|w| f64::from_bits(*w)).collect()))
    }

    /// The same position in another schedule, whose stages hold the layers that the run grew through.
    ///
    /// # Errors
    ///
    /// Naming the layers that no stage of `to` holds.
    pub(super) fn moved(mut self, from: &Timeline, to: &Timeline) -> Result<Self, ApolloError> {
        let none = |layers: &[usize], which: &str| {
            damaged(format!(
                "the saved run had {layers:?} layers, and {which} of this plan's schedule has as many"
            ))
        };
        if from.layers(0) != to.layers(0) {
            return Err(none(from.layers(0), "not the first stage"));
        }
        for growth in &mut self.growths {
            let layers = from.layers(growth.stage);
            growth.stage = (0..to.stages())
                .find(|stage| to.layers(*stage) == layers)
                .ok_or_else(|| none(layers, "no stage"))?;
        }
        Ok(self)
    }

    /// `stage` if the run went through it, and the first otherwise.
    pub(super) fn stage_passed(&self, stage: usize) -> usize {
        let passed = self.growths.iter().any(|growth| growth.stage == stage);
        if passed { stage } else { 0 }
    }

    /// The map of the `layers` that `stack` had in `stage`, which the run went through, to those of today.
    pub(super) fn map_since(
        &self,
        stage: usize,
        stack: usize,
        layers: usize,
    ) -> Result<LayerMap, ApolloError> {
        let mut map = LayerMap::identity(layers);
        let later = self.growths.iter().filter(|growth| growth.stage > stage);
        for next in later.filter_map(|growth| growth.maps[stack].as_ref()) {
            let source = |i: &usize| map.as_slice().get(*i).copied().unwrap_or(usize::MAX);
            map = LayerMap::new(layers, next.as_slice().iter().map(source).collect())?;
        }
        Ok(map)
    }

    /// Of each stack: the stage, layers and map of every growth so far.
    pub(super) fn history(&self, timeline: &Timeline) -> Vec<Vec<StackHistory>> {
        let of = |stack: usize| {
            let growth = |growth: &Growth| StackHistory {
                stage: growth.stage,
                layers: timeline.layers(growth.stage)[stack],
                map: growth.maps[stack].clone(),
            };
            self.growths.iter().map(growth).collect()
        };
        (0..timeline.layers(0).len()).map(of).collect()
    }
}

fn damaged(what: String) -> ApolloError {
    other!("`apollo.progress` of the record: {what}")
}

fn layer_map(from: usize, words: &[u64], stage: usize) -> Result<Option<LayerMap>, ApolloError> {
    if from == 0 && words.iter().all(|source| *source == NONE) {
        return Ok(None);
    }
    let sources = words.iter().map(|w| usize::try_from(*w).unwrap_or(usize::MAX)).collect();
    let map = LayerMap::new(from, sources);
    map.map(Some).map_err(|e| damaged(format!("layers of stage {stage}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::{Expander, Interpolation, Stacking};
    use crate::schedule::Schedule;

    /// 1, 3, 6, 12 layers.
    fn timeline() -> Timeline {
        Schedule::paper(&[12]).timeline(1000, &[12]).unwrap()
    }

    /// From 1 layer to 3, then over 6 to 12.
    fn progress() -> Position {
        let mut progress = Position { step: 5, ..Position::default() };
        progress.grew(1, vec![Some(Interpolation.map(1, 3).unwrap())]);
        progress.step = 1 << 40;
        progress.grew(3, vec![Some(Stacking.map(3, 12).unwrap())]);
        progress
    }

    #[test]
    fn words_round_trip() {
        let words = progress().to_words(&timeline(), &[-1.5, f64::NAN]);
        assert_eq!(words.len(), 4 + (2 + 3) + (2 + 12) + 2);
        let (back, state) = Position::from_words(&words, &timeline()).unwrap();
        assert_eq!(back, progress());
        assert_eq!(back.stage(), 3);
        assert_eq!(state[0], -1.5);
        assert!(state[1].is_nan());
    }

    #[test]
    fn layers_without_a_source_round_trip() {
        let timeline = Schedule::one_hop(&[0], &[4], 0.5).timeline(10, &[4]).unwrap();
        let mut progress = Position { step: 5, ..Position::default() };
        progress.grew(1, vec![None]);
        let words = progress.to_words(&timeline, &[]);
        assert_eq!(Position::from_words(&words, &timeline).unwrap().0, progress);
    }

    #[test]
    fn damaged_words_are_refused() {
        let words = progress().to_words(&timeline(), &[]);
        for length in [0, 1, 2, 3, 4, 6, 9, words.len() - 1] {
            assert!(Position::from_words(&words[..length], &timeline()).is_err(), "{length} words");
        }
        // Format, a step before the growths, other stages, growths without end, a growth after the run's step, the stage
        // that it began in and one that the plan has not, a source that there is not; of the second growth a step before
        // the first, the stage that the run is in, sources that there are not.
        let cases = [
            (0, 1),
            (1, 4),
            (2, 3),
            (3, u64::MAX),
            (4, 1 << 41),
            (5, 0),
            (5, 4),
            (6, 1),
            (9, 4),
            (10, 1),
            (11, NONE),
            (14, 3),
        ];
        for (at, value) in cases {
            let mut words = words.clone();
            words[at] = value;
            assert!(Position::from_words(&words, &timeline()).is_err(), "word {at} = {value}");
        }
    }
}
