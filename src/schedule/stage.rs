use serde::{Deserialize, Serialize};

/// The stages of a run, as data.
///
/// In TOML (JSON alike); a model with several stacks gives `layers` a list:
///
/// ```toml
/// [[stages]]
/// layers = 3
/// until = { fraction = 0.25 }
///
/// [[stages]]
/// layers = 6
/// until = { step = 900 }
///
/// [[stages]]
/// layers = 12          # the last stage ends with the run
/// ```
///
/// ```
/// use burn_apollo::schedule::Schedule;
///
/// let timeline = Schedule::paper(&[12]).timeline(1000, &[12])?;
/// let stages: Vec<_> = (0..4).map(|s| (timeline.layers(s)[0], timeline.end(s))).collect();
/// assert_eq!(stages, [(1, 50), (3, 100), (6, 250), (12, 1000)]);
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The stages in order; each holds more unique layers than the one before, the last the full model.
    pub stages: Vec<Stage>,
}

/// One stage of a [`Schedule`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Unique layers of each of the model's stacks; a single number holds for all of them.
    #[serde(with = "one_or_many")]
    pub layers: Vec<usize>,
    /// Where the stage ends; the last stage may leave it out and ends with the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
}

/// The end of a [`Stage`], or of another part of a run: the first optimizer step that no longer belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// In optimizer steps from the start of the run.
    Step(u64),
    /// As a fraction of the run's optimizer steps, in `(0, 1]`, rounded to the nearest step. Ends of stages are moved up by as
    /// little as it takes for every stage to have a step.
    Fraction(f64),
}

impl Until {
    /// The step in a run of so many.
    pub fn step(self, steps: u64) -> u64 {
        match self {
            Self::Step(step) => step,
            Self::Fraction(fraction) => (fraction * steps as f64).round() as u64,
        }
    }
}

impl Schedule {
    /// The paper's schedule, for any target depths: 1/12, 1/4, 1/2 and all of the layers (at least one,
    /// halves rounded up) until 5 %, 10 %, 25 % and 100 % of the run. Stages that would hold the same
    /// layers become one.
    ///
    /// Source: Apollo (arXiv 2401.09192): 1, 3, 6, 12 layers of 12 until epochs 2, 4, 10, 40 of 40.
    pub fn paper(targets: &[usize]) -> Self {
        const STAGES: [(usize, f64); 4] = [(1, 0.05), (3, 0.10), (6, 0.25), (12, 1.0)];
        let parts = STAGES.map(|(twelfths, end)| {
            (move |target: usize| ((target * twelfths + 6) / 12).max(1), end)
        });
        Self::of_parts(targets, parts)
    }

    /// Stages of as many layers of each stack as a part's function says, at most all, until its fraction of the run. Stages
    /// that would hold the same layers become one.
    pub(crate) fn of_parts<F: Fn(usize) -> usize>(
        targets: &[usize],
        parts: impl IntoIterator<Item = (F, f64)>,
    ) -> Self {
        let mut stages: Vec<Stage> = Vec::new();
        for (layers, end) in parts {
            let layers: Vec<usize> = targets.iter().map(|l| layers(*l).min(*l)).collect();
            let until = Some(Until::Fraction(end));
            match stages.last_mut() {
                Some(last) if last.layers == layers => last.until = until,
                _ => stages.push(Stage { layers, until }),
            }
        }
        Self { stages }
    }

    /// One growth from `first` layers straight to full depth, at `fraction` of the run.
    ///
    /// With `first` 0 or 1 and a late `fraction` (about 0.8 of a warm-up–stable–decay run) this is the
    /// zero/one-layer expansion of Bu (arXiv 2511.04981); with `first` a quarter of the layers and
    /// stacking it is G_stack (Du et al., NeurIPS 2024).
    pub fn one_hop(first: &[usize], targets: &[usize], fraction: f64) -> Self {
        Self {
            stages: vec![
                Stage { layers: first.to_vec(), until: Some(Until::Fraction(fraction)) },
                Stage { layers: targets.to_vec(), until: None },
            ],
        }
    }

    /// One stage at full depth: ordinary training.
    pub fn from_scratch(targets: &[usize]) -> Self {
        Self { stages: vec![Stage { layers: targets.to_vec(), until: None }] }
    }
}

/// A number, or a list of numbers.
mod one_or_many {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number of layers, or a list with one for each stack")]
    enum OneOrMany {
        One(usize),
        Many(Vec<usize>),
    }

    pub fn serialize<S: Serializer>(layers: &[usize], serializer: S) -> Result<S::Ok, S::Error> {
        match layers {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
        Ok(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        })
    }
}
