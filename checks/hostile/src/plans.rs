//! Schedules and plans, in TOML and JSON.

use burn::tensor::Device;
use burn_apollo::schedule::Schedule;
use burn_apollo::{Apollo, Plan};

use crate::sample::Tiny;

/// Schedule files, in TOML and JSON. Says whether there is a schedule in them.
pub fn schedule(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let parsed = [toml::from_str::<Schedule>(text).ok(), serde_json::from_str(text).ok()];
    let mut found = false;
    for schedule in parsed.into_iter().flatten() {
        found = true;
        for (steps, targets) in [(0, &[4][..]), (1000, &[12]), (u64::MAX, &[12, 4]), (7, &[])] {
            let Ok(timeline) = schedule.timeline(steps, targets) else { continue };
            assert_eq!(timeline.layers(timeline.stages() - 1), targets);
            assert_eq!(timeline.steps(), steps);
            let ends: Vec<u64> = (0..timeline.stages()).map(|s| timeline.end(s)).collect();
            assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{ends:?}");
        }
        let written = toml::to_string(&schedule).expect("a schedule can be written");
        assert_eq!(toml::from_str::<Schedule>(&written).ok(), Some(schedule));
    }
    found
}

/// Plan files, in TOML and JSON. Says whether there is a plan in them.
pub fn plan(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let parsed = [toml::from_str::<Plan>(text).ok(), serde_json::from_str(text).ok()];
    let mut found = false;
    for plan in parsed.into_iter().flatten() {
        found = true;
        for targets in [&[4][..], &[12], &[12, 4], &[]] {
            let _ = (plan.check(targets), plan.cautions(), plan.lr.scheduler(0.01, 100));
        }
        let _ = Apollo::new(Tiny::new(&Device::flex()), plan.clone());
        let written = serde_json::to_string(&plan).expect("a plan can be written");
        assert_eq!(serde_json::from_str::<Plan>(&written).ok(), Some(plan));
    }
    found
}
