use super::{Schedule, Stage, Until};
use crate::plan_error::PlanError;

/// A [`Schedule`] checked against a run: layers of every stack and end step of every stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    layers: Vec<Vec<usize>>,
    ends: Vec<u64>,
}

impl Timeline {
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

impl Schedule {
    /// The schedule of a run of `steps` optimizer steps of a model whose stacks have these target depths.
    ///
    /// # Errors
    ///
    /// The first field that does not fit, by name.
    pub fn timeline(&self, steps: u64, targets: &[usize]) -> Result<Timeline, PlanError> {
        PlanError::unless(steps > 0, "steps", steps, "at least one optimizer step")?;
        PlanError::unless(!self.stages.is_empty(), "stages", "none", "at least one stage")?;
        let layers = stage_layers(&self.stages, targets)?;
        Ok(Timeline { layers, ends: stage_ends(&self.stages, steps)? })
    }
}

fn stage_layers(stages: &[Stage], targets: &[usize]) -> Result<Vec<Vec<usize>>, PlanError> {
    let mut all: Vec<Vec<usize>> = Vec::with_capacity(stages.len());
    for (stage, Stage { layers, .. }) in stages.iter().enumerate() {
        let wrong = |found, expected: &str| {
            Err(PlanError::new(format!("stages[{stage}].layers"), found, expected))
        };
        let layers = match layers.as_slice() {
            [one] => vec![*one; targets.len()],
            many => many.to_vec(),
        };
        let shown = format!("{layers:?}");
        if layers.len() != targets.len() {
            let stacks = targets.len();
            return wrong(shown, &format!("a number for each of the model's {stacks} stacks"));
        }
        if let Some(before) = all.last() {
            if layers.contains(&0) {
                return wrong(shown, "above 0 in all stages but the first");
            }
            if layers == *before || layers.iter().zip(before).any(|(l, b)| l < b) {
                let found = format!("{shown} after {before:?}");
                return wrong(found, "more in one stack at least and fewer in none");
            }
        }
        if stage + 1 == stages.len() && layers != targets {
            return wrong(shown, &format!("{targets:?} in the last stage, the full depth"));
        }
        all.push(layers);
    }
    Ok(all)
}

fn stage_ends(stages: &[Stage], steps: u64) -> Result<Vec<u64>, PlanError> {
    let mut ends = Vec::with_capacity(stages.len());
    let mut last_fraction = 0.0;
    for (stage, Stage { until, .. }) in stages.iter().enumerate() {
        let wrong = |part: &str, found: String, expected: &str| {
            Err(PlanError::new(format!("stages[{stage}].until{part}"), found, expected))
        };
        let (before, is_last) = (ends.last().copied().unwrap_or(0), stage + 1 == stages.len());
        let end = match *until {
            None if is_last => steps,
            None => return wrong("", "none".to_owned(), "given in all stages but the last"),
            Some(Until::Step(end)) => end,
            Some(Until::Fraction(f)) if !(f > 0.0 && f <= 1.0) => {
                return wrong(".fraction", f.to_string(), "above 0 and at most 1");
            }
            Some(Until::Fraction(f)) if f < last_fraction => {
                let found = format!("{f} after {last_fraction}");
                return wrong(".fraction", found, "no lower than in the stage before");
            }
            Some(until @ Until::Fraction(f)) => {
                last_fraction = f;
                until.step(steps).max(before + 1)
            }
        };
        let expected = if end <= before {
            format!("after the end of the stage before, step {before}")
        } else if is_last && end != steps {
            format!("the end of the run in the last stage, step {steps}")
        } else if !is_last && end >= steps {
            format!("early enough for the stages after it in a run of {steps} steps")
        } else {
            ends.push(end);
            continue;
        };
        return wrong("", format!("step {end}"), &expected);
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(layers: usize, until: Option<Until>) -> Stage {
        Stage { layers: vec![layers], until }
    }

    fn timeline(stages: &[Stage], steps: u64, targets: &[usize]) -> Result<Timeline, PlanError> {
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
        let error = Schedule::paper(&[12]).timeline(3, &[12]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`stages[2].until` must be early enough for the stages after it in a run of 3 steps, found step 3"
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
        let found = |stages: &[Stage], steps, targets: &[usize]| {
            let error = timeline(stages, steps, targets).unwrap_err();
            (error.field, error.found)
        };
        let pair = |field: &str, found: &str| (field.to_owned(), found.to_owned());
        assert_eq!(found(&reversed, 20, &[12]), pair("stages[1].until.fraction", "0.3 after 0.6"));
        assert_eq!(found(&[stage(1, None)], 0, &[1]), pair("steps", "0"));
        let two = Stage { layers: vec![1, 2, 3], until: None };
        assert_eq!(found(&[two], 9, &[4, 4]), pair("stages[0].layers", "[1, 2, 3]"));
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
