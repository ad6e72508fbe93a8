//! The random generators of devices. All devices of a process share one, or one for each kind of device, so
//! workers of data parallel training that seed it and draw at once would take each other's values.

use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;

/// Held by who draws: nobody else of this crate seeds a generator meanwhile.
static DRAWING: Mutex<()> = Mutex::new(());

/// Seeds the generator of `device`, once nobody draws [from a seed](draw_from) any more.
pub(crate) fn seed(device: &Device, seed: u64) {
    let _turn = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
}

/// What `draw` makes on `device` with a generator seeded by `seed`, the same whichever other workers grow or begin
/// a step at that moment. What they draw inside a step (dropout, say) would still disturb it: layers without a
/// source and distributed training want layers without dropout.
pub(crate) fn draw_from<T>(device: &Device, seed: u64, draw: impl FnOnce() -> T) -> T {
    let _turn = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
    let drawn = draw();
    // A device that queues its operations draws only now. If it fails, so will whoever reads what was drawn.
    let _ = device.sync();
    drawn
}
