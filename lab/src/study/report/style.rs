//! The style of the pictures: the same recipe has the same colour in all of them.

use kuva::prelude::*;
use kuva::render::render::Scene;

use crate::study::compare::{Comparison, Entry};

/// Told apart by the colour-blind too (Okabe & Ito 2008), and two more; training from scratch is black.
const COLORS: [&str; 9] = [
    "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#8c6d31",
    "#808080",
];
/// A next round of the colours has the next mark, the second optimizer the one after it.
const MARKS: [MarkerShape; 4] =
    [MarkerShape::Circle, MarkerShape::Triangle, MarkerShape::Square, MarkerShape::Diamond];
const WIDTH: f64 = 900.0;
/// Of an entry of the legend.
const LINE_HEIGHT: f64 = 18.0;

/// The style of a recipe with an optimizer.
pub(super) struct Style {
    pub name: String,
    pub color: &'static str,
    mark: MarkerShape,
    line: LineStyle,
}

impl Style {
    pub(super) fn of(comparison: &Comparison, entry: &Entry) -> Self {
        let config = &comparison.config;
        let place = config.kinds().iter().position(|kind| *kind == entry.kind).unwrap_or(0);
        let optimizer = config.optimizers.iter().position(|of| *of == entry.optimizer).unwrap_or(0);
        let name = match config.optimizers.len() {
            1 => entry.kind.to_string(),
            _ => format!("{}, {}", entry.kind, entry.optimizer.name()),
        };
        let mark = |round: usize| MARKS[(round + 2 * optimizer) % MARKS.len()];
        let (color, mark) = match place.checked_sub(1) {
            None => ("#000000", mark(0)),
            Some(i) => (COLORS[i % COLORS.len()], mark(i / COLORS.len())),
        };
        let line = [LineStyle::Solid, LineStyle::Custom("5 3".to_owned())][optimizer % 2].clone();
        Self { name, color, mark, line }
    }

    fn legend(&self) -> LegendEntry {
        let (label, color) = (self.name.clone(), self.color.to_owned());
        LegendEntry { label, color, shape: LegendShape::Marker(self.mark), dasharray: None }
    }

    /// A line.
    pub(super) fn line(&self, points: &[(f64, f64)]) -> Plot {
        let line = LinePlot::new().with_data(points.iter().copied()).with_color(self.color);
        Plot::Line(line.with_stroke_width(2.0).with_line_style(self.line.clone()))
    }

    /// The marks of points, with whiskers.
    pub(super) fn marks(&self, points: &[(f64, f64)], deviations: Vec<f64>) -> Plot {
        let marks = ScatterPlot::new().with_data(points.iter().copied()).with_color(self.color);
        let marks = marks.with_marker(self.mark).with_size(4.5);
        Plot::Scatter(match deviations.iter().any(|deviation| *deviation > 0.0) {
            true => marks.with_y_err(deviations),
            false => marks,
        })
    }

    /// The marks of points that are bounds only.
    pub(super) fn small_marks(&self, points: &[(f64, f64)]) -> Plot {
        let marks = ScatterPlot::new().with_data(points.iter().copied()).with_color(self.color);
        Plot::Scatter(marks.with_marker(self.mark).with_size(2.5))
    }
}

/// A number's axis: what it shows, in which unit, and what values are divided by for it.
pub(super) struct Axis {
    pub label: String,
    unit: f64,
}

impl Axis {
    pub(super) fn plain(label: impl Into<String>) -> Self {
        Self { label: label.into(), unit: 1.0 }
    }

    /// Thousands, millions and so on of operations.
    pub(super) fn operations(most: f64) -> Self {
        let exponent = (3.0 * (most.max(1.0).log10() / 3.0).floor()) as i32;
        let raised = |digit: char| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit.to_digit(10)? as usize);
        let raised: String = exponent.to_string().chars().filter_map(raised).collect();
        let label = format!("FLOPs of training, × 10{raised}");
        Self { label, unit: 10f64.powi(exponent) }
    }

    /// Seconds, minutes or hours.
    pub(super) fn seconds(most: f64, what: &str) -> Self {
        let (unit, name) = match most {
            most if most > 7200.0 => (3600.0, "hours"),
            most if most > 240.0 => (60.0, "minutes"),
            _ => (1.0, "seconds"),
        };
        Self { label: format!("{what}, {name}"), unit }
    }

    pub(super) fn of(&self, value: f64) -> f64 {
        value / self.unit
    }
}

/// A chart with its legend beside it.
pub(super) fn chart(plots: Vec<Plot>, styles: &[Style], labels: (&str, &str)) -> Scene {
    cut_chart(plots, styles, labels, None)
}

/// A chart whose upper part is cut off.
pub(super) fn cut_chart(
    plots: Vec<Plot>,
    styles: &[Style],
    (x, y): (&str, &str),
    top: Option<f64>,
) -> Scene {
    let height = (LINE_HEIGHT * (styles.len() as f64 + 2.0)).max(480.0);
    let layout = Layout::auto_from_plots(&plots)
        .with_width(WIDTH)
        .with_height(height)
        .with_x_label(x)
        .with_y_label(y)
        .with_legend_box(false)
        .with_legend_entries(styles.iter().map(Style::legend).collect());
    let layout = match top {
        Some(top) => layout.with_y_axis_max(top),
        None => layout,
    };
    render_multiple(plots, layout)
}
