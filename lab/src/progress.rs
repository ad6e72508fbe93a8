use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::results::Row;

/// What a run shows of its steps: a bar on a terminal, a line every tenth of the run elsewhere, or nothing.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
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

impl Progress {
    /// For a run that goes on at `first_step`, with the end and the expected depth of each stage.
    pub(crate) fn new(
        first_step: u64,
        steps: u64,
        stages: Vec<(u64, f64)>,
        unit: &'static str,
        quiet: bool,
    ) -> Self {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}")
            .expect("the template is well formed");
        let bar = match quiet {
            true => ProgressBar::hidden(),
            false => ProgressBar::new(steps),
        };
        let bar = bar.with_style(style).with_position(first_step);
        let next_line = first_step + steps.div_ceil(10);
        let started = Instant::now();
        Self { bar, quiet, steps, next_line, started, items: 0, unit, stages, work: 0.0 }
    }

    /// Shows the step that begins, with the latest loss that was read.
    pub(crate) fn step(&mut self, row: &Row, loss: Option<f64>) {
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
            self.items_per_second(),
            self.unit
        );
        if !self.quiet && self.bar.is_hidden() && row.step >= self.next_line {
            println!("step {}/{}: {message}", row.step, self.steps);
            self.next_line += self.steps.div_ceil(10);
        }
        self.bar.set_message(message);
        self.bar.set_position(row.step);
    }

    /// Counts the work of a step.
    pub(crate) fn count(&mut self, row: &Row) {
        self.items += row.items;
        self.work += row.virtual_depth as f64 + BASE_WORK;
    }

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        match self.bar.is_hidden() {
            _ if self.quiet => {}
            true => println!("{text}"),
            false => self.bar.suspend(|| println!("{text}")),
        }
    }

    pub(crate) fn items_per_second(&self) -> f64 {
        self.items as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
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

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
