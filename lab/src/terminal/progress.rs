use std::time::{Duration, Instant};

use burn_apollo::apollo::GrowthReport;
use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Result;
use crate::observer::{Observer, Start};
use crate::results::{Row, ValidationRow};

/// Shows a run on standard output: a bar on a terminal, a line every tenth of the run elsewhere, and what there is to say.
#[derive(Debug, Default)]
pub struct Progress {
    bar: Option<Bar>,
    /// The latest loss that was read.
    loss: Option<f64>,
}

/// The progress of a run since it was last taken up.
#[derive(Debug)]
struct Bar {
    bar: ProgressBar,
    steps: u64,
    next_line: u64,
    started: Instant,
    items: u64,
    unit: &'static str,
    /// End and expected depth of each stage.
    stages: Vec<(u64, f64)>,
    work: f64,
}

/// What a step costs beside its layers, in layers.
const BASE_WORK: f64 = 1.0;

impl Bar {
    fn new(start: &Start<'_>) -> Self {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}")
            .expect("the template is well formed");
        let stages = start.stages.iter().map(|stage| (stage.end, stage.depths.iter().sum()));
        Self {
            bar: ProgressBar::new(start.steps).with_style(style).with_position(start.step),
            steps: start.steps,
            next_line: start.step + start.steps.div_ceil(10),
            started: Instant::now(),
            items: 0,
            unit: start.items,
            stages: stages.collect(),
            work: 0.0,
        }
    }

    /// Shows the step that begins, with the latest loss that was read.
    fn show(&mut self, row: &Row, loss: Option<f64>) {
        let loss = loss.map_or("-".to_owned(), |loss| format!("{loss:.3}"));
        let left =
            self.left(row.step).map_or("-".to_owned(), |left| format!("{} s", left.as_secs()));
        let message = format!(
            "stage {}/{}, depth {:>2} of {:>2} unique, loss {loss}, lr {:.1e}, {:.0} {}/s, {left} left",
            row.stage + 1,
            self.stages.len(),
            row.virtual_depth,
            row.unique_layers,
            row.lr,
            self.items as f64 / self.started.elapsed().as_secs_f64().max(1e-9),
            self.unit
        );
        if self.bar.is_hidden() && row.step >= self.next_line {
            println!("step {}/{}: {message}", row.step, self.steps);
            self.next_line += self.steps.div_ceil(10);
        }
        self.bar.set_message(message);
        self.bar.set_position(row.step);
    }

    /// The time that the steps from `step` on will take, if a layer costs what it did so far.
    fn left(&self, step: u64) -> Option<Duration> {
        let mut begin = step;
        let mut work = 0.0;
        for (end, depth) in &self.stages {
            work += end.saturating_sub(begin) as f64 * (depth + BASE_WORK);
            begin = begin.max(*end);
        }
        let seconds = self.started.elapsed().as_secs_f64() * work / self.work;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

impl Observer for Progress {
    fn start(&mut self, start: &Start<'_>) -> Result<()> {
        self.end()?;
        self.bar = Some(Bar::new(start));
        Ok(())
    }

    fn before_step(&mut self, row: &Row) -> Result<()> {
        self.bar.iter_mut().for_each(|bar| bar.show(row, self.loss));
        Ok(())
    }

    fn growth(&mut self, report: &GrowthReport) -> Result<()> {
        self.message(&report.to_string())
    }

    fn after_step(&mut self, row: &Row) -> Result<()> {
        if let Some(bar) = &mut self.bar {
            bar.items += row.items;
            bar.work += row.virtual_depth as f64 + BASE_WORK;
        }
        Ok(())
    }

    fn loss(&mut self, row: &Row) -> Result<()> {
        self.loss = Some(row.train_loss);
        Ok(())
    }

    fn validation(&mut self, rows: &[ValidationRow]) -> Result<()> {
        let shown = rows.iter().enumerate().map(|(i, row)| {
            let at = if i == 0 { "at depth" } else { "with layers repeated to depth" };
            format!("{:.4} {at} {}", row.val_loss, row.depth)
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        match rows.first() {
            Some(row) => self.message(&format!("step {}: validation loss {shown}", row.step)),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<()> {
        self.bar.take().iter().for_each(|bar| bar.bar.finish_and_clear());
        Ok(())
    }

    fn message(&mut self, text: &str) -> Result<()> {
        print_beside(self.bar.as_ref().map(|bar| &bar.bar), text);
        Ok(())
    }
}

/// Prints a line above a bar.
pub(super) fn print_beside(bar: Option<&ProgressBar>, text: &str) {
    match bar.filter(|bar| !bar.is_hidden()) {
        Some(bar) => bar.suspend(|| println!("{text}")),
        None => println!("{text}"),
    }
}
