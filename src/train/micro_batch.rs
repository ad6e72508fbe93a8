use std::sync::{Arc, Mutex};

use burn::tensor::Device;

use super::monitor::lock;

/// Counts the micro-batches that each device has run within the current optimizer step.
#[derive(Debug, Clone, Default)]
pub(super) struct MicroBatches {
    counts: Arc<Mutex<Vec<Count>>>,
}

#[derive(Debug)]
struct Count {
    device: Device,
    step: u64,
    done: u64,
}

impl MicroBatches {
    /// The index of the micro-batch that `device` runs now.
    pub(super) fn next(&self, device: &Device, step: u64) -> u64 {
        let mut counts = lock(&self.counts);
        let at = counts.iter().position(|c| c.device == *device).unwrap_or_else(|| {
            counts.push(Count { device: device.clone(), step, done: 0 });
            counts.len() - 1
        });
        let count = &mut counts[at];
        if count.step != step {
            (count.step, count.done) = (step, 0);
        }
        count.done += 1;
        count.done - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_counts_from_zero() {
        let (counts, device) = (MicroBatches::default(), Device::default());
        assert_eq!([7, 7, 7, 8, 8].map(|step| counts.next(&device, step)), [0, 1, 2, 0, 1]);
    }
}
