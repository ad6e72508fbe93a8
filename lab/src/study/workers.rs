//! Cells side by side: the program once more for each, with one thread.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::sharing::{Job, Next, Queue};
use super::{CELL, Cell};
use crate::Signals;
use crate::error::{LabError, Result};

/// How often processes are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Trains the cells of the queue, those of a phase, `workers` at a time, and shows each at its end, with what it said if it failed. Stops where a signal
/// comes: the cells end at once, and go on from their checkpoints when the study does.
pub(super) fn run(
    phase: &str,
    cells: &[Cell],
    mut queue: Queue,
    workers: usize,
    signals: &Signals,
    mut ended: impl FnMut(&Cell, Option<String>) -> Result<()>,
) -> Result<()> {
    let progress = Progress::new(phase, cells);
    let mut running: Vec<(&Cell, Child)> = Vec::new();
    loop {
        while running.len() < workers.max(1)
            && signals.caught().is_none()
            && let Next::Start(job) = queue.next()
            && let Some(cell) = cells.iter().find(|cell| cell.name == job.cell.name)
        {
            running.push((cell, start(&job)?));
        }
        if running.is_empty() {
            break;
        }
        std::thread::sleep(LOOK);
        if signals.caught().is_some() {
            // Their pipe to this process breaks, which ends them.
            running.iter_mut().for_each(|(_, child)| drop(child.stdin.take()));
        }
        let mut still = Vec::new();
        for (cell, mut child) in running {
            match child.try_wait().map_err(LabError::failed)? {
                None => still.push((cell, child)),
                Some(status) => {
                    let mut said = String::new();
                    if let Some(mut stderr) = child.stderr.take() {
                        let _ = stderr.read_to_string(&mut said);
                    }
                    if signals.caught().is_none() {
                        let why = said.lines().last().unwrap_or("it said nothing").to_owned();
                        let failure = (!status.success()).then(|| format!("{status}: {why}"));
                        queue.ended(&cell.name);
                        progress.ended(cell, failure.as_deref());
                        ended(cell, failure)?;
                    }
                }
            }
        }
        running = still;
    }
    progress.bar.finish_and_clear();
    Ok(())
}

fn start(job: &Job) -> Result<Child> {
    let job = serde_json::to_string(job).map_err(LabError::failed)?;
    let program = std::env::current_exe().map_err(LabError::failed)?;
    Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(CELL, job)
        // Small matrices gain nothing from a second thread, and another cell much.
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(LabError::failed)
}

/// Ends this process when the one that started it ends, however that does: the pipe to it breaks then. The cell goes on
/// from its checkpoint when the study does.
pub(super) fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}

/// The grid, with the time that is left.
struct Progress {
    /// Which cells.
    phase: String,
    bar: ProgressBar,
    began: Instant,
    cells: usize,
}

impl Progress {
    fn new(phase: &str, cells: &[Cell]) -> Self {
        let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} cells, {msg}")
            .expect("the template is well formed");
        let bar = ProgressBar::new(cells.len() as u64).with_style(style);
        bar.set_prefix(phase.to_owned());
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { phase: phase.to_owned(), bar, began: Instant::now(), cells: cells.len() }
    }

    fn ended(&self, cell: &Cell, failure: Option<&str>) {
        self.bar.inc(1);
        let done = self.bar.position();
        let seconds = self.began.elapsed().as_secs_f64();
        let left = seconds / done as f64 * (self.cells as f64 - done as f64);
        self.bar.set_message(format!("{left:.0} s left"));
        let line = match failure {
            Some(why) => format!("{}: failed: {why}", cell.name),
            None => format!(
                "{}: {}: done, {done}/{} cells, {left:.0} s left",
                self.phase, cell.name, self.cells
            ),
        };
        match self.bar.is_hidden() {
            true => println!("{line}"),
            false => self.bar.suspend(|| println!("{line}")),
        }
    }
}
