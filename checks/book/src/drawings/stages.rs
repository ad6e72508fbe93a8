//! Unique layers and expected depth over a run.

use burn_apollo::cost::{ModelCost, PlanCost, StageCost};
use burn_apollo::recipe::{Recipe, Setting};
use kuva::prelude::*;

use super::Result;
use super::look::{COLORS, entry, figure, line, panel};

const STEPS: u64 = 1000;
const TARGET: usize = 12;

pub fn draw() -> Result<String> {
    let mut panels = Vec::new();
    for name in ["apollo", "gradual"] {
        let plan = Recipe::by_name(name)?.plan(&Setting::new(STEPS, &[TARGET]))?;
        let cost = PlanCost::of(&plan, &[TARGET], &ModelCost::of_layer(1.0, 0.0), 1)?;
        let over = |of: &dyn Fn(&StageCost) -> f64| -> Vec<(f64, f64)> {
            let ends = cost.stages.iter().flat_map(|stage| {
                [stage.begin, stage.end].map(|step| (100.0 * step as f64 / STEPS as f64, of(stage)))
            });
            ends.collect()
        };
        let depth = over(&|stage| stage.depths.iter().sum());
        let unique = over(&|stage| stage.layers.iter().sum::<usize>() as f64);
        let plots = vec![
            Plot::Line(line(unique, COLORS[0]).with_stroke_width(3.0)),
            Plot::Line(line(depth, COLORS[1]).with_dashed()),
        ];
        let title = format!("{name}: {:.1} % of the layers' operations", 100.0 * cost.share());
        let layout = panel(&plots, &title, ("% of the run", "layers"))
            .with_x_axis_min(0.0)
            .with_x_axis_max(100.0)
            .with_y_axis_min(0.0)
            .with_y_axis_max(TARGET as f64 + 1.0)
            .with_y_tick_step(3.0);
        panels.push((plots, layout));
    }
    let dashed = LegendEntry {
        dasharray: Some("5 3".to_owned()),
        ..entry("expected virtual depth", COLORS[1], LegendShape::Line)
    };
    let legend = vec![entry("unique layers", COLORS[0], LegendShape::Line), dashed];
    Ok(figure(2, panels, legend, (430.0, 270.0)))
}
