//! Cells side by side: the program once more for each, with one thread.

use std::collections::VecDeque;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cell::Cell;
use crate::error::{LabError, Result};
use crate::observer::StudyObserver;
use crate::terminal::Signals;

/// The variable that tells a process which cell to train.
pub(in crate::study) const CELL: &str = "BURN_APOLLO_CELL";
/// How often processes are looked at.
const POLL: Duration = Duration::from_millis(200);

/// Trains the cells of a phase, the longest first, `workers` at a time, and shows each at its end, with what it said if it
/// failed. Stops where a signal comes: the cells end at once, and go on from their checkpoints when the study does.
pub(in crate::study) fn train_all(
    phase: &str,
    mut cells: Vec<Cell>,
    workers: usize,
    signals: &Signals,
    observer: &mut dyn StudyObserver,
    mut ended: impl FnMut(&Cell, Option<String>) -> Result<()>,
) -> Result<()> {
    observer.start(phase, cells.len());
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.plan.steps));
    let mut queue = VecDeque::from(cells);
    let mut running: Vec<(Cell, Child)> = Vec::new();
    loop {
        while running.len() < workers.max(1)
            && signals.caught().is_none()
            && let Some(cell) = queue.pop_front()
        {
            let child = start(&cell)?;
            running.push((cell, child));
        }
        if running.is_empty() {
            break;
        }
        std::thread::sleep(POLL);
        if signals.caught().is_some() {
            // Their pipe to this process breaks, which ends them.
            running.iter_mut().for_each(|(_, child)| drop(child.stdin.take()));
        }
        let mut still = Vec::new();
        for (cell, mut child) in running {
            let Some(status) = child.try_wait().map_err(LabError::failed)? else {
                still.push((cell, child));
                continue;
            };
            if signals.caught().is_some() {
                continue;
            }
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                let _ = stderr.read_to_string(&mut said);
            }
            let why = said.lines().last().unwrap_or("it said nothing");
            let failure = (!status.success()).then(|| format!("{status}: {why}"));
            observer.training(&cell.name, failure.as_deref());
            ended(&cell, failure)?;
        }
        running = still;
    }
    observer.end();
    Ok(())
}

fn start(cell: &Cell) -> Result<Child> {
    let cell = serde_json::to_string(cell).map_err(LabError::failed)?;
    let program = std::env::current_exe().map_err(LabError::failed)?;
    Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(CELL, cell)
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
pub(in crate::study) fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}
