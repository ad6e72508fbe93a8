use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::progress::print_beside;
use crate::observer::StudyObserver;

/// Shows a study on standard output: a bar of its trainings with the time that is left, and a line for each that has ended.
#[derive(Debug, Default)]
pub struct StudyProgress(Option<Phase>);

#[derive(Debug)]
struct Phase {
    name: String,
    bar: ProgressBar,
    began: Instant,
}

impl StudyObserver for StudyProgress {
    fn start(&mut self, phase: &str, trainings: usize) {
        let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} cells, {msg}")
            .expect("the template is well formed");
        let bar = ProgressBar::new(trainings as u64).with_style(style);
        bar.set_prefix(phase.to_owned());
        bar.enable_steady_tick(Duration::from_secs(1));
        self.0 = Some(Phase { name: phase.to_owned(), bar, began: Instant::now() });
    }

    fn training(&mut self, name: &str, failure: Option<&str>) {
        let Some(Phase { name: phase, bar, began }) = &self.0 else { return };
        bar.inc(1);
        let (done, all) = (bar.position(), bar.length().unwrap_or(0));
        let left = began.elapsed().as_secs_f64() / done as f64 * (all as f64 - done as f64);
        bar.set_message(format!("{left:.0} s left"));
        let line = match failure {
            Some(why) => format!("{name}: failed: {why}"),
            None => format!("{phase}: {name}: done, {done}/{all} cells, {left:.0} s left"),
        };
        print_beside(Some(bar), &line);
    }

    fn end(&mut self) {
        self.0.take().iter().for_each(|phase| phase.bar.finish_and_clear());
    }
}
