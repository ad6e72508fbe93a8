//! Schedules as data: TOML and JSON, and any stages a user may write.

use burn_apollo::schedule::{Schedule, Stage, Until};
use proptest::prelude::*;

#[test]
fn toml_and_json_read_alike() {
    let toml = r#"
        [[stages]]
        layers = 3
        until = { fraction = 0.25 }

        [[stages]]
        layers = [6]
        until = { step = 900 }

        [[stages]]
        layers = 12
    "#;
    let json = r#"{"stages": [
        {"layers": 3, "until": {"fraction": 0.25}}, {"layers": 6, "until": {"step": 900}}, {"layers": 12}
    ]}"#;
    let schedule: Schedule = toml::from_str(toml).unwrap();
    assert_eq!(schedule, serde_json::from_str(json).unwrap());
    let timeline = schedule.timeline(1000, &[12]).unwrap();
    assert_eq!((0..3).map(|s| timeline.end(s)).collect::<Vec<_>>(), [250, 900, 1000]);

    let back: Schedule = toml::from_str(&toml::to_string(&schedule).unwrap()).unwrap();
    assert_eq!(back, schedule);
    let back: Schedule = serde_json::from_str(&serde_json::to_string(&schedule).unwrap()).unwrap();
    assert_eq!(back, schedule);
}

#[test]
fn misspelt_fields_are_named() {
    for (text, word) in [
        ("[[stages]]\nlayer = 3", "layer"),
        ("[[stages]]\nlayers = 3\nuntil = { epoch = 3 }", "epoch"),
        ("[[stages]]\nlayers = -1", "layers"),
        ("stage = []", "stage"),
    ] {
        let error = toml::from_str::<Schedule>(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

fn until() -> impl Strategy<Value = Option<Until>> {
    prop_oneof![
        Just(None),
        (0..2000_u64).prop_map(|s| Some(Until::Step(s))),
        (-0.5..1.5).prop_map(|f| Some(Until::Fraction(f))),
    ]
}

proptest! {
    /// Whatever the stages, the answer is an error or a timeline that covers the run.
    #[test]
    fn any_stages_are_a_timeline_or_an_error(
        stages in prop::collection::vec((prop::collection::vec(0..9_usize, 0..3), until()), 0..5),
        steps in 0..2000_u64,
        targets in prop::collection::vec(1..9_usize, 1..3),
    ) {
        let stages = stages.into_iter().map(|(layers, until)| Stage { layers, until }).collect();
        if let Ok(timeline) = (Schedule { stages }).timeline(steps, &targets) {
            prop_assert_eq!(timeline.layers(timeline.stages() - 1), &targets[..]);
            prop_assert_eq!(timeline.steps(), steps);
            for stage in 1..timeline.stages() {
                prop_assert!(timeline.end(stage - 1) < timeline.end(stage));
                prop_assert!(timeline.layers(stage - 1).iter().zip(timeline.layers(stage)).all(|(a, b)| a <= b));
            }
        }
    }

    #[test]
    fn the_paper_fits_every_model_and_run(layers in prop::collection::vec(1..200_usize, 1..4), steps in 4..1_000_000_u64) {
        let timeline = Schedule::paper(&layers).timeline(steps, &layers).unwrap();
        prop_assert!(timeline.stages() <= 4);
        prop_assert!(timeline.layers(0).iter().all(|n| *n >= 1));
    }
}
