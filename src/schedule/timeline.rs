use super::{Schedule, ScheduleError, Stage, Until};

/// A [`Schedule`] checked against a run: layers of every stack and end step of every stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    layers: Vec<Vec<usize>>,
    ends: Vec<u64>,
}

impl Timeline {
    pub(super) fn new(
        schedule: &Schedule,
        steps: u64,
        targets: &[usize],
    ) -> Result<Self, ScheduleError> {
        if steps == 0 {
            return Err(ScheduleError::NoSteps);
        }
        if schedule.stages.is_empty() {
            return Err(ScheduleError::Empty);
        }
        let layers = stage_layers(&schedule.stages, targets)?;
        let ends = stage_ends(&schedule.stages, steps)?;
        Ok(Self { layers, ends })
    }

    /// The number of stages, at least 1.
    pub fn stages(&self) -> usize {
        self.ends.len()
    }

    /// Unique layers of each stack in `stage`; the last stage's beyond it.
    pub fn layers(&self, stage: usize) -> &[usize] {
        &self.layers[stage.min(self.stages() - 1)]
    }

    /// The first optimizer step (from 0) that no longer belongs to `stage`; the run's end beyond the last.
    pub fn end(&self, stage: usize) -> u64 {
        self.ends[stage.min(self.stages() - 1)]
    }

    /// Optimizer steps of the run.
    pub fn steps(&self) -> u64 {
        self.end(self.stages())
    }
}

fn stage_layers(stages: &[Stage], targets: &[usize]) -> Result<Vec<Vec<usize>>, ScheduleError> {
    let mut all: Vec<Vec<usize>> = Vec::with_capacity(stages.len());
    for (stage, Stage { layers, .. }) in stages.iter().enumerate() {
        let layers = match layers.as_slice() {
            [one] => vec![*one; targets.len()],
            many if many.len() == targets.len() => many.to_vec(),
            many => {
                return Err(ScheduleError::Stacks {
                    stage,
                    found: many.len(),
                    stacks: targets.len(),
                });
            }
        };
        if let Some(before) = all.last() {
            if layers.contains(&0) {
                return Err(ScheduleError::ZeroLayers { stage });
            }
            let shrinks = layers.iter().zip(before).any(|(l, b)| l < b);
            if shrinks || layers == *before {
                return Err(ScheduleError::NotGrowing {
                    stage,
                    found: layers,
                    before: before.clone(),
                });
            }
        }
        all.push(layers);
    }
    match all.last() {
        Some(last) if last == targets => Ok(all),
        last => Err(ScheduleError::NotFull {
            stage: all.len() - 1,
            found: last.cloned().unwrap_or_default(),
            target: targets.to_vec(),
        }),
    }
}

fn stage_ends(stages: &[Stage], steps: u64) -> Result<Vec<u64>, ScheduleError> {
    let last = stages.len() - 1;
    let mut ends = Vec::with_capacity(stages.len());
    let mut last_fraction = 0.0;
    for (stage, Stage { until, .. }) in stages.iter().enumerate() {
        let before = ends.last().copied().unwrap_or(0);
        let end = match *until {
            None if stage == last => steps,
            None => return Err(ScheduleError::NoEnd { stage }),
            Some(Until::Step(end)) => end,
            Some(Until::Fraction(f)) if !(f > 0.0 && f <= 1.0) => {
                return Err(ScheduleError::Fraction { stage, found: f });
            }
            Some(Until::Fraction(f)) if f < last_fraction => {
                return Err(ScheduleError::FractionOrder {
                    stage,
                    found: f,
                    before: last_fraction,
                });
            }
            Some(until @ Until::Fraction(f)) => {
                last_fraction = f;
                until.step(steps).max(before + 1)
            }
        };
        if end <= before {
            return Err(ScheduleError::EndOrder { stage, end, before });
        }
        if stage == last && end != steps {
            return Err(ScheduleError::LastEnd { stage, end, steps });
        }
        if stage < last && end >= steps {
            return Err(ScheduleError::EndTooLate { stage, end, steps });
        }
        ends.push(end);
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(layers: usize, until: Option<Until>) -> Stage {
        Stage { layers: vec![layers], until }
    }

    fn timeline(
        stages: &[Stage],
        steps: u64,
        targets: &[usize],
    ) -> Result<Timeline, ScheduleError> {
        Schedule { stages: stages.to_vec() }.timeline(steps, targets)
    }

    #[test]
    fn paper_for_other_depths() {
        let layers = |l: usize| {
            let t = Schedule::paper(&[l]).timeline(1000, &[l]).unwrap();
            (0..t.stages()).map(|s| t.layers(s)[0]).collect::<Vec<_>>()
        };
        assert_eq!(layers(1), [1]);
        assert_eq!(layers(2), [1, 2]);
        assert_eq!(layers(4), [1, 2, 4]);
        assert_eq!(layers(6), [1, 2, 3, 6]);
        assert_eq!(layers(12), [1, 3, 6, 12]);
        assert_eq!(layers(24), [2, 6, 12, 24]);
    }

    #[test]
    fn stages_of_a_short_run_get_a_step_each() {
        let t = Schedule::paper(&[12]).timeline(6, &[12]).unwrap();
        assert_eq!((0..4).map(|s| t.end(s)).collect::<Vec<_>>(), [1, 2, 3, 6]);
        assert_eq!(
            Schedule::paper(&[12]).timeline(3, &[12]),
            Err(ScheduleError::EndTooLate { stage: 2, end: 3, steps: 3 })
        );
    }

    #[test]
    fn errors_name_the_field() {
        let f = |x| Some(Until::Fraction(x));
        let s = |x| Some(Until::Step(x));
        let cases: [(&[Stage], &str); 11] = [
            (&[], "`stages`"),
            (&[stage(3, None)], "`stages[0].layers`"),
            (&[stage(3, None), stage(12, None)], "`stages[0].until`"),
            (&[stage(3, f(0.0)), stage(12, None)], "`stages[0].until.fraction`"),
            (&[stage(3, f(1.5)), stage(12, None)], "`stages[0].until.fraction`"),
            (&[stage(3, f(f64::NAN)), stage(12, None)], "`stages[0].until.fraction`"),
            (&[stage(3, s(0)), stage(12, None)], "`stages[0].until`"),
            (&[stage(3, s(100)), stage(12, None)], "`stages[0].until`"),
            (&[stage(3, s(10)), stage(3, s(20)), stage(12, None)], "`stages[1].layers`"),
            (&[stage(3, s(10)), stage(0, s(20)), stage(12, None)], "`stages[1].layers`"),
            (&[stage(3, s(10)), stage(12, s(99))], "`stages[1].until`"),
        ];
        for (stages, field) in cases {
            let error = timeline(stages, 100, &[12]).unwrap_err().to_string();
            assert!(error.contains(field), "{error} should name {field}");
        }
        let reversed = [stage(1, f(0.6)), stage(2, f(0.3)), stage(12, None)];
        let found = ScheduleError::FractionOrder { stage: 1, found: 0.3, before: 0.6 };
        assert_eq!(timeline(&reversed, 20, &[12]), Err(found));
        assert_eq!(timeline(&[stage(1, None)], 0, &[1]), Err(ScheduleError::NoSteps));
        let two = Stage { layers: vec![1, 2, 3], until: None };
        assert_eq!(
            timeline(&[two], 9, &[4, 4]),
            Err(ScheduleError::Stacks { stage: 0, found: 3, stacks: 2 })
        );
    }

    #[test]
    fn zero_layers_first_and_several_stacks() {
        let t = Schedule::one_hop(&[0], &[4], 0.8).timeline(10, &[4]).unwrap();
        assert_eq!((t.layers(0), t.end(0)), (&[0][..], 8));
        let t = Schedule::paper(&[12, 4]).timeline(1000, &[12, 4]).unwrap();
        assert_eq!(t.layers(1), [3, 1]);
        assert_eq!(t.layers(9), [12, 4]);
    }
}
