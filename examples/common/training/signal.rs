//! Ctrl-C and SIGTERM: caught, so that a run can finish its step and write a checkpoint.

#[cfg(unix)]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(unix)]
use std::sync::{Arc, OnceLock};

use crate::common::failure::Signal;

/// The signals that this process was sent.
#[cfg(unix)]
pub struct Signals {
    caught: Arc<AtomicUsize>,
}

#[cfg(unix)]
impl Signals {
    /// Catches the first signal of the process; a second one ends it at once.
    pub fn catch() -> std::io::Result<&'static Self> {
        static SIGNALS: OnceLock<Signals> = OnceLock::new();
        if let Some(signals) = SIGNALS.get() {
            return Ok(signals);
        }
        let signals = Self::register()?;
        Ok(SIGNALS.get_or_init(|| signals))
    }

    fn register() -> std::io::Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let caught = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, again.clone())?;
            signal_hook::flag::register(signal, again.clone())?;
            signal_hook::flag::register_usize(signal, caught.clone(), signal as usize)?;
        }
        Ok(Self { caught })
    }

    pub fn caught(&self) -> Option<Signal> {
        match self.caught.load(Ordering::SeqCst) {
            0 => None,
            2 => Some(Signal { name: "Ctrl-C", exit_code: 130 }),
            number => Some(Signal { name: "SIGTERM", exit_code: 128 + number as u8 }),
        }
    }
}

/// Elsewhere a signal ends the process, and the run goes on from its last checkpoint.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub fn catch() -> std::io::Result<&'static Self> {
        Ok(&Self)
    }

    pub fn caught(&self) -> Option<Signal> {
        None
    }
}
