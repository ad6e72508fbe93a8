//! A policy that waits for a plateau of the loss, on a loss made up for it.

use burn_apollo::policy::{Decision, GrowthPolicy, LossPlateau, Measurement, Observation};
use kuva::plot::annotations::ReferenceLine;
use kuva::prelude::*;

use super::Result;
use super::look::{COLORS, alone, entry, line, panel};

const STEPS: u64 = 1000;
/// Ends of the stages by the schedule; the last is the run's.
const ENDS: [u64; 4] = [300, 500, 700, STEPS];
/// What the made-up loss falls to in each stage.
const FLOORS: [f64; 4] = [2.6, 2.2, 1.9, 1.7];

pub fn draw() -> Result<String> {
    let mut policy = LossPlateau::new(40)?;
    let (mut stage, mut start, mut loss) = (0, 0, 4.0);
    let (mut losses, mut growths) = (Vec::new(), Vec::new());
    for step in 0..STEPS {
        loss += (FLOORS[stage] - loss) * 0.03;
        losses.push((step as f64, loss));
        let measurements = [Measurement::loss(step, loss, 1)];
        let now = Observation {
            step: step + 1,
            stage,
            stages: ENDS.len(),
            stage_start: start,
            stage_end: ENDS[stage],
            steps: STEPS,
            measurements: &measurements,
            ..Observation::default()
        };
        if stage + 1 < ENDS.len() && policy.decide(&now) == Decision::Grow {
            (stage, start) = (stage + 1, step + 1);
            growths.push(start as f64);
        }
    }
    let plots = vec![Plot::Line(line(losses, "#222222"))];
    let mut layout = panel(&plots, "", ("optimizer steps", "loss, made up"))
        .with_x_axis_min(0.0)
        .with_x_axis_max(STEPS as f64)
        .with_y_axis_min(1.5)
        .with_y_axis_max(4.0);
    for end in &ENDS[..3] {
        layout = layout.with_reference_line(at(*end as f64, "#999999"));
    }
    for growth in growths {
        layout = layout.with_reference_line(at(growth, COLORS[1]).with_dasharray(""));
    }
    let legend = vec![
        entry("loss_plateau grows", COLORS[1], LegendShape::Line),
        entry("fixed grows", "#999999", LegendShape::Line),
    ];
    Ok(alone(plots, layout, legend, 330.0))
}

fn at(step: f64, color: &str) -> ReferenceLine {
    ReferenceLine::vertical(step).with_color(color).with_stroke_width(1.5)
}
