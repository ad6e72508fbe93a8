//! Ctrl-C and SIGTERM stop a training as `q` in burn-train's display does.

use std::io;

use burn::train::Interrupter;

/// Number and name of the signals that are caught.
const SIGNALS: [(u8, &str); 2] = [(2, "Ctrl-C"), (15, "SIGTERM")];

/// Stops the training at a signal, with the signal's name as the reason; a second one ends the process at once.
#[cfg(unix)]
pub fn stop_at_signals(interrupter: Interrupter) -> io::Result<()> {
    let numbers = SIGNALS.map(|(number, _)| i32::from(number));
    let mut signals = signal_hook::iterator::Signals::new(numbers)?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut caught = signals.forever();
        if let Some(signal) = caught.next() {
            let known = SIGNALS.iter().find(|(number, _)| i32::from(*number) == signal);
            interrupter.stop(known.map(|(_, name)| *name));
        }
        if let Some(signal) = caught.next() {
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}

/// Elsewhere a signal ends the process, and the run goes on from its last epoch.
#[cfg(not(unix))]
pub fn stop_at_signals(_interrupter: Interrupter) -> io::Result<()> {
    Ok(())
}

/// What the process exits with if a signal is the reason of a stop.
pub fn exit_code(reason: &str) -> Option<u8> {
    SIGNALS.iter().find(|(_, name)| *name == reason).map(|(number, _)| 128 + number)
}
