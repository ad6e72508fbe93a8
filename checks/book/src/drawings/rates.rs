//! What the learning rate does over a run, and at a growth.

use burn_apollo::schedule::{LrAtGrowth, LrShape};
use kuva::prelude::*;

use super::Result;
use super::look::{COLORS, entry, figure, line, panel};

const STEPS: u64 = 250;
const GROWTHS: [u64; 3] = [50, 100, 150];

pub fn draw() -> Result<String> {
    let stable = LrShape::WarmupStableDecay { warm_up: 0.02.into(), decay: 0.2, end: 0.0 };
    let shapes = [
        ("cosine", LrShape::default()),
        ("warmup_stable_decay", stable),
        ("constant", LrShape::Constant),
    ];
    let mut over_run = Vec::new();
    for ((_, shape), color) in shapes.iter().zip(COLORS) {
        let mut scheduler = shape.scheduler(1.0, STEPS)?;
        let rates: Vec<f64> = (0..STEPS).map(|_| scheduler.step().base()).collect();
        over_run.push(Plot::Line(line(percent(&rates), color)));
    }
    let at_growth = [
        ("scale 0.7", LrAtGrowth::Scale(0.7), COLORS[3]),
        (
            "rewarm from 0 over 8 % of the run",
            LrAtGrowth::Rewarm { from: 0.0, steps: 20 },
            COLORS[4],
        ),
    ];
    let factors = at_growth.iter().map(|(_, at_growth, color)| {
        let factors: Vec<f64> = (0..STEPS).map(|step| at_growth.factor(step, &GROWTHS)).collect();
        Plot::Line(line(percent(&factors), color))
    });
    let factors: Vec<Plot> = factors.collect();
    let layout = |plots: &[Plot], title, y| {
        panel(plots, title, ("% of the run", y))
            .with_x_axis_min(0.0)
            .with_x_axis_max(100.0)
            .with_y_axis_min(0.0)
            .with_y_axis_max(1.1)
            .with_y_tick_step(0.2)
    };
    let panels = [
        (over_run, "lr: over the run", "rate, of its peak"),
        (factors, "lr_at_growth: growths at 20, 40, 60 %", "factor on the rate"),
    ];
    let panels = panels.into_iter().map(|(plots, title, y)| {
        let layout = layout(&plots, title, y);
        (plots, layout)
    });
    let names = shapes.iter().zip(COLORS).map(|((name, _), color)| (*name, color));
    let names = names.chain(at_growth.iter().map(|(name, _, color)| (*name, *color)));
    let legend = names.map(|(name, color)| entry(name, color, LegendShape::Line)).collect();
    Ok(figure(2, panels.collect(), legend, (430.0, 270.0)))
}

fn percent(values: &[f64]) -> Vec<(f64, f64)> {
    let x = |step: usize| 100.0 * step as f64 / STEPS as f64;
    values.iter().enumerate().map(|(step, value)| (x(step), *value)).collect()
}
