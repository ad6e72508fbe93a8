//! Libraries that panic where they should not.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls that are under way whose panics are answers.
static CAUGHT: AtomicUsize = AtomicUsize::new(0);

/// What `ask` answers, or what it panics with, of a library that panics on bad input; nothing is printed.
pub fn caught<T>(ask: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            // On any thread: libraries have their own.
            if CAUGHT.load(Ordering::SeqCst) == 0 {
                hook(panic);
            }
        }));
    });
    CAUGHT.fetch_add(1, Ordering::SeqCst);
    let answer = catch_unwind(AssertUnwindSafe(ask));
    CAUGHT.fetch_sub(1, Ordering::SeqCst);
    answer.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panics").to_owned()
    })
}
