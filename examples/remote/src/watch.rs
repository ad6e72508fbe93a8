//! A training and its hosts: it ends when one is lost, though Burn would wait for it for a long time.

use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::host::{Host, Token};
use crate::train::chain;

/// Between two looks at a host.
const PAUSE: Duration = Duration::from_secs(2);

/// What `training` gives, or in one line why it ended: its error, or the hosts that no longer answer.
///
/// A training whose host is lost is left to itself. Its threads end with the process; checkpoints are whole or not there.
pub fn watched<T: Send + 'static>(
    hosts: &[Host],
    token: &Token,
    training: impl FnOnce() -> Result<T, Box<dyn Error + Send + Sync>> + Send + 'static,
) -> Result<T, String> {
    let (tell, told) = channel();
    for host in hosts {
        let (host, tell, token) = (host.clone(), tell.clone(), token.clone());
        spawn(move || watch(&host, &token, &tell));
    }
    // burn-train and Burn's remote devices panic where a host is lost; the message goes into the one line.
    std::panic::set_hook(Box::new(|_| {}));
    spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(training));
        let ended = ended.unwrap_or_else(|panic| Err(message(panic.as_ref()).into()));
        // Nobody hears it after a host was lost.
        let _ = tell.send(Event::Ended(ended));
    });
    let lost = |host: Host| format!("lost {host}, which no longer answers");
    match told.recv() {
        Ok(Event::Ended(Ok(value))) => Ok(value),
        Ok(Event::Lost(host)) => Err(lost(host)),
        Ok(Event::Ended(Err(error))) => {
            // The error may be that of a lost host, which another look shows.
            let why = chain(error.as_ref());
            Err(match hosts.iter().find(|host| !host.answers(token)) {
                Some(host) => format!("{}: {why}", lost(host.clone())),
                None => why,
            })
        }
        Err(_) => Err("the training ended without a word".to_owned()),
    }
}

enum Event<T> {
    Ended(Result<T, Box<dyn Error + Send + Sync>>),
    Lost(Host),
}

/// Until the host is lost, or nobody wants to know.
fn watch<T>(host: &Host, token: &Token, tell: &Sender<Event<T>>) {
    while host.answers(token) {
        sleep(PAUSE);
    }
    let _ = tell.send(Event::Lost(host.clone()));
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}
