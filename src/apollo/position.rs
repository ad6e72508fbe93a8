//! Where a run stands, and how it came there.

use core::iter::repeat_n;

use super::ApolloError;
use crate::expand::LayerMap;
use crate::registry::StackHistory;
use crate::schedule::Timeline;

/// Where a run stands, and how it came there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Optimizer steps done.
    pub(super) step: u64,
    /// The steps before which the model grew, one per growth.
    pub(super) growths: Vec<u64>,
    /// What each of these growths made.
    pub(super) made: Vec<Made>,
}

/// A growth that was made: where a layer comes from is known from it, whatever the plan's expander says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    /// The stage that began.
    pub(super) stage: usize,
    /// The source of each layer, stack by stack; none for layers without source.
    pub(super) maps: Vec<Option<LayerMap>>,
}

const FORMAT: u64 = 2;
/// A growth that was not made, or a layer without source.
const NONE: u64 = u64::MAX;

impl Position {
    /// The stage that the run is in.
    pub(super) fn stage(&self) -> usize {
        self.made.last().map_or(0, |made| made.stage)
    }

    pub(super) fn grew(&mut self, stage: usize, maps: Vec<Option<LayerMap>>) {
        self.growths.push(self.step);
        self.made.push(Made { stage, maps });
    }

    /// Format and step; for each stage but the first, the step before which it began and the source of each layer;
    /// the policy's state. How many words there are follows from the plan.
    pub(super) fn to_words(&self, timeline: &Timeline, policy_state: &[f64]) -> Vec<u64> {
        let mut words = vec![FORMAT, self.step];
        for stage in 1..timeline.stages() {
            let growth = self.growths.iter().zip(&self.made).find(|(_, made)| made.stage == stage);
            words.push(growth.map_or(NONE, |(step, _)| *step));
            for (stack, layers) in timeline.layers(stage).iter().enumerate() {
                match growth.and_then(|(_, made)| made.maps[stack].as_ref()) {
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
        let mut words = Words { left: words, all: words.len(), stages: timeline.stages() };
        let format = words.take(1)?[0];
        if format != FORMAT {
            return Err(ApolloError::Progress(format!(
                "format {format} is unknown, this version reads format {FORMAT}"
            )));
        }
        let mut progress = Self { step: words.take(1)?[0], ..Self::default() };
        for stage in 1..timeline.stages() {
            let before = timeline.layers(progress.stage()).to_vec();
            let began = words.take(1)?[0];
            let mut maps = Vec::new();
            for (from, to) in before.into_iter().zip(timeline.layers(stage)) {
                let sources = words.take(*to)?;
                if began != NONE {
                    maps.push(layer_map(from, sources, stage)?);
                } else if sources.iter().any(|source| *source != NONE) {
                    let message = format!("layers of stage {stage}, which did not begin");
                    return Err(ApolloError::Progress(message));
                }
            }
            if began == NONE {
                continue;
            }
            if began > progress.step || progress.growths.last().is_some_and(|last| *last > began) {
                let (step, last) = (progress.step, progress.growths.last());
                return Err(ApolloError::Progress(format!(
                    "growth before step {began} after that before {last:?} does not fit step {step}"
                )));
            }
            progress.growths.push(began);
            progress.made.push(Made { stage, maps });
        }
        let state = words.left.iter().map(|w| f64::from_bits(*w)).collect();
        Ok((progress, state))
    }

    /// The same position in another schedule, whose stages hold the layers that the run grew through.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Progress`] naming the layers that no stage of `to` holds.
    pub(super) fn moved(&self, from: &Timeline, to: &Timeline) -> Result<Self, ApolloError> {
        let none = |layers: &[usize], which: &str| {
            ApolloError::Progress(format!(
                "the saved run had {layers:?} layers, and {which} of this plan's schedule has as many"
            ))
        };
        if from.layers(0) != to.layers(0) {
            return Err(none(from.layers(0), "not the first stage"));
        }
        let mut moved = self.clone();
        for made in &mut moved.made {
            let layers = from.layers(made.stage);
            made.stage = (0..to.stages())
                .find(|stage| to.layers(*stage) == layers)
                .ok_or_else(|| none(layers, "no stage"))?;
        }
        Ok(moved)
    }

    /// `stage` if the run went through it, and the first otherwise.
    pub(super) fn stage_passed(&self, stage: usize) -> usize {
        let passed = self.made.iter().any(|made| made.stage == stage);
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
        let later = self.made.iter().filter(|made| made.stage > stage);
        for next in later.filter_map(|made| made.maps[stack].as_ref()) {
            let source = |i: &usize| map.as_slice().get(*i).copied().unwrap_or(usize::MAX);
            map = LayerMap::new(layers, next.as_slice().iter().map(source).collect())?;
        }
        Ok(map)
    }

    /// Of each stack: the stage, layers and map of every growth so far.
    pub(super) fn history(&self, timeline: &Timeline) -> Vec<Vec<StackHistory>> {
        let of = |stack: usize| {
            let growth = |made: &Made| StackHistory {
                stage: made.stage,
                layers: timeline.layers(made.stage)[stack],
                map: made.maps[stack].clone(),
            };
            self.made.iter().map(growth).collect()
        };
        (0..timeline.layers(0).len()).map(of).collect()
    }
}

struct Words<'a> {
    left: &'a [u64],
    all: usize,
    /// Stages of the plan that reads them.
    stages: usize,
}

impl<'a> Words<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u64], ApolloError> {
        let (all, stages) = (self.all, self.stages);
        let too_few = || format!("holds {all} words, too few for a plan of {stages} stages");
        let (taken, left) =
            self.left.split_at_checked(count).ok_or_else(|| ApolloError::Progress(too_few()))?;
        self.left = left;
        Ok(taken)
    }
}

fn layer_map(from: usize, words: &[u64], stage: usize) -> Result<Option<LayerMap>, ApolloError> {
    if from == 0 && words.iter().all(|source| *source == NONE) {
        return Ok(None);
    }
    let sources = words.iter().map(|w| usize::try_from(*w).unwrap_or(usize::MAX)).collect();
    LayerMap::new(from, sources)
        .map(Some)
        .map_err(|e| ApolloError::Progress(format!("layers of stage {stage}: {e}")))
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
        assert_eq!(words.len(), 2 + (1 + 3) + (1 + 6) + (1 + 12) + 2);
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
        for length in [0, 1, 2, 5, words.len() - 1] {
            assert!(Position::from_words(&words[..length], &timeline()).is_err(), "{length} words");
        }
        // Format, step, beginning of stage 1, its map, a map of stage 2 alone, a source that stage 3 has not, a source
        // that it leaves out.
        let cases =
            [(0, 1), (1, 4), (2, 1 << 41), (2, NONE), (3, 1), (7, 0), (14, 3), (14, 1), (13, NONE)];
        for (at, value) in cases {
            let mut words = words.clone();
            words[at] = value;
            let found = Position::from_words(&words, &timeline());
            // Without its last growth, the words are those of a run in stage 1 whose later layers have sources.
            assert_eq!(found.is_err(), (at, value) != (14, 1), "word {at} = {value}");
        }
    }
}
