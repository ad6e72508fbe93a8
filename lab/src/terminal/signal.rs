//! Ctrl-C and SIGTERM: caught, so that a run can finish its step and write a checkpoint.

#[cfg(unix)]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(unix)]
use std::sync::{Arc, OnceLock};

#[cfg(unix)]
use crate::error::LabError;
use crate::error::Result;

/// A signal that ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Its usual name.
    pub name: &'static str,
    /// What a process that it ends exits with: 128 and its number.
    pub exit_code: u8,
}

/// The signals that this process was sent.
#[derive(Debug)]
#[cfg(unix)]
pub struct Signals {
    caught: Arc<AtomicUsize>,
}

#[cfg(unix)]
impl Signals {
    /// Catches the first signal of the process; a second one ends it at once.
    ///
    /// # Errors
    ///
    /// What the system says where they cannot be caught.
    pub fn catch() -> Result<&'static Self> {
        static SIGNALS: OnceLock<Signals> = OnceLock::new();
        if let Some(signals) = SIGNALS.get() {
            return Ok(signals);
        }
        let signals = Self::register()
            .map_err(|e| LabError::failed(format!("signals cannot be caught: {e}")))?;
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

    /// The signal that was caught, if there was one.
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
#[derive(Debug)]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Catches none.
    ///
    /// # Errors
    ///
    /// None.
    pub fn catch() -> Result<&'static Self> {
        Ok(&Self)
    }

    /// None.
    pub fn caught(&self) -> Option<Signal> {
        None
    }
}
