use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::common::text::Batch;
use crate::train::Row;

/// A bar on a terminal, a line every tenth of the run elsewhere.
pub struct Progress {
    bar: ProgressBar,
    steps: u64,
    next_line: u64,
    started: Instant,
    first_step: u64,
    tokens: u64,
}

impl Progress {
    pub fn new(first_step: u64, steps: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg} {eta} left")
            .expect("the template is well formed");
        let bar = ProgressBar::new(steps).with_style(style).with_position(first_step);
        bar.reset_eta();
        let next_line = first_step + steps.div_ceil(10);
        Self { bar, steps, next_line, started: Instant::now(), first_step, tokens: 0 }
    }

    /// Shows the step that begins, with the latest loss that was read.
    pub fn step(&mut self, row: &Row, stages: usize, loss: f64) {
        let message = format!(
            "stage {}/{stages}, depth {:>2} of {:>2} unique, loss {loss:.3}, lr {:.1e}, {:.0} tokens/s,",
            row.stage + 1,
            row.virtual_depth,
            row.unique_layers,
            row.lr,
            self.tokens_per_second()
        );
        if self.bar.is_hidden() && row.step >= self.next_line {
            println!(
                "step {}/{}: {message} {} s left",
                row.step,
                self.steps,
                self.left(row.step).as_secs()
            );
            self.next_line += self.steps.div_ceil(10);
        }
        self.tokens += row.tokens;
        self.bar.set_message(message);
        self.bar.set_position(row.step);
    }

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        match self.bar.is_hidden() {
            true => println!("{text}"),
            false => self.bar.suspend(|| println!("{text}")),
        }
    }

    pub fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    fn left(&self, done: u64) -> Duration {
        let per_step = self.started.elapsed() / (done - self.first_step).max(1) as u32;
        per_step * (self.steps - done) as u32
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Tokens that a batch trains on.
pub fn tokens(batch: &Batch) -> u64 {
    batch.inputs.dims().iter().product::<usize>() as u64
}
