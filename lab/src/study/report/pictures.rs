//! Pictures of a comparison.

use kuva::prelude::*;

use super::part::Picture;
use super::style::{Axis, Style, chart, cut_chart};
use super::words::list;
use crate::study::cells::Clock;
use crate::study::compare::{Comparison, Entry, Length};

/// The names of all pictures that there may be.
pub(super) const NAMES: [&str; 8] = [
    "saving",
    "by-position",
    "loss-flops",
    "loss-steps",
    "loss-time",
    "course",
    "crossover",
    "depths",
];

/// The picture of a name, where the comparison has numbers for it.
pub(super) fn draw(comparison: &Comparison, name: &str) -> Option<Picture> {
    if comparison.entries.is_empty() {
        return None;
    }
    match name {
        "saving" => saving(comparison),
        "by-position" => by_position(comparison),
        "loss-flops" => loss_by_operations(comparison),
        "loss-steps" => Some(loss_by_steps(comparison)),
        "loss-time" => Some(loss_by_time(comparison)),
        "course" => course(comparison),
        "crossover" => crossover(comparison),
        _ => depths(comparison),
    }
}

fn styles(comparison: &Comparison) -> Vec<Style> {
    comparison.entries.iter().map(|entry| Style::of(comparison, entry)).collect()
}

fn loss_label(comparison: &Comparison) -> String {
    match comparison.unit.as_str() {
        "" => "loss on held-out data".to_owned(),
        unit => format!("loss on held-out data, {unit}"),
    }
}

/// The final losses of all lengths, over what `x` says of a length.
fn loss(
    comparison: &Comparison,
    (name, title, words): (&'static str, &'static str, &str),
    axis: &Axis,
    x: fn(&Length) -> f64,
) -> Picture {
    let styles = styles(comparison);
    let mut plots = Vec::new();
    for (entry, style) in comparison.entries.iter().zip(&styles) {
        let points: Vec<(f64, f64)> =
            entry.lengths.iter().map(|length| (axis.of(x(length)), length.loss.mean)).collect();
        let deviations = entry.lengths.iter().map(|length| length.loss.deviation).collect();
        plots.push(style.line(&points));
        plots.push(style.marks(&points, deviations));
    }
    let words = format!(
        "{words} Each mark is a training with a schedule of its own that ended there: the final loss of {}, \
         mean over the seeds, with the standard deviation as whiskers.",
        whose(comparison)
    );
    let scene = chart(plots, &styles, (&axis.label, &loss_label(comparison)));
    Picture { name, title, words, scene }
}

/// Whose losses are drawn.
fn whose(comparison: &Comparison) -> &'static str {
    match comparison.entries.iter().any(|entry| entry.is_shallower()) {
        true => "the full model (or of the shallower one, where that is trained alone)",
        false => "the full model",
    }
}

fn most(comparison: &Comparison, x: fn(&Length) -> f64) -> f64 {
    comparison.entries.iter().flat_map(|entry| &entry.lengths).map(x).fold(0.0, f64::max)
}

/// None where there is one length: the same FLOPs for all, as far as whole steps go, are no axis.
fn loss_by_operations(comparison: &Comparison) -> Option<Picture> {
    if comparison.entries.iter().all(|entry| entry.lengths.len() < 2) {
        return None;
    }
    let axis = Axis::operations(most(comparison, |length| length.operations));
    let what = ("loss-flops", "Loss against FLOPs", "Lower left is better.");
    Some(loss(comparison, what, &axis, |length| length.operations))
}

fn loss_by_steps(comparison: &Comparison) -> Picture {
    let words =
        "Steps of a shallow model are cheap: a recipe may take more of them for the same FLOPs.";
    let what = ("loss-steps", "Loss against steps", words);
    loss(comparison, what, &Axis::plain("optimizer steps"), |length| length.steps)
}

fn loss_by_time(comparison: &Comparison) -> Picture {
    let clock = match comparison.config.clock {
        Clock::Wall => "time of the steps",
        Clock::Processor => "processor time of the steps",
    };
    let axis = Axis::seconds(most(comparison, |length| length.seconds), clock);
    let what = ("loss-time", "Loss against time", "Validation and checkpoints are not counted.");
    loss(comparison, what, &axis, |length| length.seconds)
}

/// The longest trainings on their way, none for files of the first versions that do not tell.
fn course(comparison: &Comparison) -> Option<Picture> {
    let styles = styles(comparison);
    let all = comparison.entries.iter().flat_map(|entry| &entry.course);
    let axis = Axis::operations(all.map(|(_, operations, _)| *operations).fold(0.0, f64::max));
    let line = |(entry, style): (&Entry, &Style)| {
        let points = entry.course.iter().map(|(_, operations, loss)| (axis.of(*operations), *loss));
        let points: Vec<_> = points.collect();
        [style.line(&points), style.marks(&points, Vec::new())]
    };
    let drawn =
        comparison.entries.iter().zip(&styles).filter(|(entry, _)| !entry.course.is_empty());
    let plots: Vec<Plot> = drawn.flat_map(line).collect();
    if plots.is_empty() {
        return None;
    }
    let words = format!(
        "The loss of {} at the validations of each recipe's longest training, mean over the seeds. A model that has not \
         grown yet is validated at full depth, with layers that share weights: where it was not trained so, its loss lies \
         above the picture until it has grown.",
        whose(comparison)
    );
    // Losses of models that were not trained at full depth would press the others together.
    let losses = |entry: &Entry| entry.course.iter().map(|(.., loss)| *loss).collect::<Vec<_>>();
    let of_scratch = comparison.entries.iter().filter(|entry| entry.is_scratch()).flat_map(losses);
    let highest = of_scratch.reduce(f64::max);
    let all = comparison.entries.iter().flat_map(losses).reduce(f64::max);
    let top = highest.filter(|highest| all > Some(1.1 * highest)).map(|highest| 1.1 * highest);
    let scene = cut_chart(plots, &styles, (&axis.label, &loss_label(comparison)), top);
    Some(Picture { name: "course", title: "The longest trainings on their way", words, scene })
}

fn saving(comparison: &Comparison) -> Option<Picture> {
    let (flops, time) = ("#0072b2", "#e69f00");
    let mut bars = BarPlot::new().with_width(0.7).with_horizontal(true);
    let (mut deviations, mut not_reached) = (Vec::new(), Vec::new());
    // From the top: bars go up from the axis.
    for entry in comparison.entries.iter().rev().filter(|entry| !entry.is_scratch()) {
        let name = Style::of(comparison, entry).name;
        match (entry.same.operations, entry.same.seconds, entry.same.not_reached) {
            (Some(operations), Some(seconds), 0) => {
                let least = if entry.same.at_least > 0 { " ≥" } else { "" };
                let group = [(100.0 * seconds.mean, time), (100.0 * operations.mean, flops)];
                bars = bars.with_group(format!("{name}{least}"), group);
                deviations.extend([seconds, operations].map(|spread| 100.0 * spread.deviation));
            }
            (None, _, 0) => {}
            _ => not_reached.push(name),
        }
    }
    if deviations.is_empty() {
        return None;
    }
    let height = 90.0 + 17.0 * deviations.len() as f64;
    if deviations.iter().any(|deviation| *deviation > 0.0) {
        bars = bars.with_error(deviations);
    }
    let plots = vec![Plot::Bar(bars)];
    let entry = |label: &str, color: &str| LegendEntry {
        label: label.to_owned(),
        color: color.to_owned(),
        shape: LegendShape::Rect,
        dasharray: None,
    };
    let layout = Layout::auto_from_plots(&plots)
        .with_width(900.0)
        .with_height(height.max(170.0))
        .with_x_label("saved, % of training from scratch")
        .with_legend_box(false)
        .with_legend_entries(vec![entry("FLOPs", flops), entry("time", time)]);
    let mut words = "What each recipe saves on the way to the final loss of the longest training from scratch with the same \
                     optimizer: mean over the seeds, with the standard deviation as whiskers. With ≥, the shortest length \
                     reaches that loss already."
        .to_owned();
    if !not_reached.is_empty() {
        not_reached.reverse();
        words += &format!(" Not reached with every seed by {}.", list(not_reached));
    }
    let scene = render_multiple(plots, layout);
    Some(Picture { name: "saving", title: "What each recipe saves", words, scene })
}

/// What is right at each position; none where answers have no positions.
fn by_position(comparison: &Comparison) -> Option<Picture> {
    let styles = styles(comparison);
    let drawn = comparison.entries.iter().zip(&styles);
    let drawn: Vec<_> = drawn.filter(|(entry, _)| entry.by_position.len() > 1).collect();
    if drawn.is_empty() {
        return None;
    }
    let plots = drawn.iter().flat_map(|(entry, style)| {
        let shares = (1..).zip(&entry.by_position);
        let points = shares.map(|(position, share)| (f64::from(position), 100.0 * share));
        let points: Vec<(f64, f64)> = points.collect();
        [style.line(&points), style.marks(&points, Vec::new())]
    });
    let words = "Of the answers at each position, how many are right at the end of each recipe's longest training: means over \
                 the seeds."
        .to_owned();
    let scene = chart(plots.collect(), &styles, ("position", "right, %"));
    Some(Picture { name: "by-position", title: "Right by position", words, scene })
}

/// Saving over items per parameter; none where the study has one length only, or no recipe that reached a loss.
fn crossover(comparison: &Comparison) -> Option<Picture> {
    let mut plots = Vec::new();
    let (mut styles, mut most) = (Vec::new(), 0);
    for entry in comparison.entries.iter().filter(|entry| !entry.is_scratch()) {
        let points = |at_least: bool| -> (Vec<_>, Vec<_>) {
            let goals = entry.goals.iter().filter(|goal| {
                goal.saving.not_reached == 0 && (goal.saving.at_least > 0) == at_least
            });
            let points = goals.filter_map(|goal| {
                let saved = goal.saving.operations?;
                Some(((goal.items_per_parameter, 100.0 * saved.mean), 100.0 * saved.deviation))
            });
            points.unzip()
        };
        let ((read, deviations), (mut least, _)) = (points(false), points(true));
        // A bound below zero says nothing.
        least.retain(|(_, saved)| *saved > 0.0);
        most = most.max(read.len() + least.len());
        let style = Style::of(comparison, entry);
        if !read.is_empty() {
            plots.extend([style.line(&read), style.marks(&read, deviations)]);
        }
        if !least.is_empty() {
            plots.push(style.small_marks(&least));
        }
        if !read.is_empty() || !least.is_empty() {
            styles.push(style);
        }
    }
    // One goal alone is in the table already.
    if most < 2 {
        return None;
    }
    let items = &comparison.items;
    let words = "Each length of training from scratch as the goal: what a recipe saves on the way to its loss, seed by seed. \
                 Where a curve crosses zero, growth begins to pay, or ceases to. Small marks are bounds: the recipe's \
                 shortest length reaches that loss already, and it may save more. Goals that not every seed reached are left \
                 out."
        .to_owned();
    let x = format!("{items} per parameter that training from scratch sees");
    let scene = chart(plots, &styles, (&x, "FLOPs saved, %"));
    let title = "Saving against length";
    Some(Picture { name: "crossover", title, words, scene })
}

/// Unique layers and expected depth, a panel for each recipe.
fn depths(comparison: &Comparison) -> Option<Picture> {
    let first = comparison.config.optimizers.first()?;
    let entries = comparison.entries.iter().filter(|entry| entry.optimizer == *first);
    let entries: Vec<&Entry> = entries.filter(|entry| !entry.stages.is_empty()).collect();
    let most = entries.iter().flat_map(|entry| &entry.stages).map(|stage| stage.end).max()? as f64;
    let layers =
        entries.iter().flat_map(|entry| &entry.stages).map(|stage| stage.layers.iter().sum());
    let layers = layers.max().unwrap_or(1_usize) as f64;
    let columns = entries.len().min(4);
    let rows = entries.len().div_ceil(columns);
    let (mut plots, mut layouts) = (Vec::new(), Vec::new());
    for entry in &entries {
        let style = Style::of(comparison, entry);
        let steps = |of: &dyn Fn(&burn_apollo::cost::StageCost) -> f64| -> Vec<(f64, f64)> {
            let ends = entry
                .stages
                .iter()
                .flat_map(|stage| [(stage.begin, of(stage)), (stage.end, of(stage))]);
            ends.map(|(step, value)| (step as f64, value)).collect()
        };
        let unique = steps(&|stage| stage.layers.iter().sum::<usize>() as f64);
        let depth = steps(&|stage| stage.depths.iter().sum());
        let line = |points, color, width| {
            let line = LinePlot::new().with_data::<f64, f64, Vec<_>>(points);
            line.with_color(color).with_stroke_width(width)
        };
        let panel = vec![
            Plot::Line(line(unique, style.color, 3.0)),
            Plot::Line(line(depth, "#444444", 1.5).with_dashed()),
        ];
        let layout = Layout::auto_from_plots(&panel)
            .with_title(entry.kind.to_string())
            .with_title_size(14)
            .with_x_axis_min(0.0)
            .with_x_axis_max(most)
            .with_y_axis_min(0.0)
            .with_y_axis_max(layers + 1.0)
            .with_y_tick_step((layers / 4.0).ceil())
            .with_ticks(3)
            .with_x_label("steps")
            .with_y_label("layers");
        layouts.push(layout);
        plots.push(panel);
    }
    let figure = Figure::new(rows, columns)
        .with_plots(plots)
        .with_layouts(layouts)
        .with_cell_size(250.0, 200.0);
    let words = "Each recipe's longest training: unique layers (solid) and the expected virtual depth, each stage's mean (dashed), \
                 over its steps."
        .to_owned();
    let scene = figure.render();
    Some(Picture { name: "depths", title: "Unique layers and depth", words, scene })
}
