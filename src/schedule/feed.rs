use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// A training loss at an optimizer step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossPoint {
    /// The optimizer step, from 0.
    pub step: u64,
    /// The loss, in whatever unit the policy expects.
    #[serde(with = "number")]
    pub loss: f64,
}

/// A number, as a string where it is not finite: JSON has no word for that.
mod number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged, expecting = "expected a number, \"NaN\", \"inf\" or \"-inf\"")]
    enum Number {
        Finite(f64),
        NotFinite(String),
    }

    pub fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match x.is_finite() {
            true => Number::Finite(*x),
            false => Number::NotFinite(x.to_string()),
        }
        .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Number::deserialize(deserializer)? {
            Number::Finite(x) => Ok(x),
            Number::NotFinite(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                other => Err(D::Error::custom(format!("{other:?} is not a number"))),
            },
        }
    }
}

/// A cheap handle through which a training loop tells a growth policy its losses.
///
/// Burn's `optimize` sees gradients but no loss, so a loss-driven policy needs this feed. Reading a
/// loss makes the device wait: feed it every few steps where that matters. Clones share one feed. It
/// remembers the latest 4096 losses.
///
/// A hand-written loop calls [`record`](Self::record). Inside burn-train, the model's `TrainStep::step` calls
/// [`push`](Self::push) on a clone that the model holds (`#[module(skip)]`); metrics are computed behind the
/// training and would tell losses at other steps in each run. Workers of distributed data parallel read one
/// feed at moments of their own: they need a policy that looks at no loss.
///
/// ```
/// use burn_apollo::schedule::LossFeed;
///
/// let feed = LossFeed::default();
/// feed.record(0, 5.5);
/// feed.clone().record(8, 4.9);
/// assert_eq!(feed.recorded(), 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct LossFeed {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    points: VecDeque<LossPoint>,
    dropped: usize,
    step: u64,
}

const CAPACITY: usize = 4096;

impl LossFeed {
    /// Tells the loss of the step that the [`Apollo`](crate::Apollo) with this feed stands at.
    pub fn push(&self, loss: f64) {
        let step = self.lock().step;
        self.record(step, loss);
    }

    /// The step that the run stands at.
    pub(crate) fn begin_step(&self, step: u64) {
        self.lock().step = step;
    }

    /// Tells the loss of an optimizer step.
    pub fn record(&self, step: u64, loss: f64) {
        let mut inner = self.lock();
        if inner.points.len() == CAPACITY {
            inner.points.pop_front();
            inner.dropped += 1;
        }
        inner.points.push_back(LossPoint { step, loss });
    }

    /// How many losses were told since the feed was made.
    pub fn recorded(&self) -> usize {
        let inner = self.lock();
        inner.dropped + inner.points.len()
    }

    /// The losses from the `from`-th on, and how many were told in all.
    pub(crate) fn since(&self, from: usize) -> (Vec<LossPoint>, usize) {
        let inner = self.lock();
        let skip = from.saturating_sub(inner.dropped);
        (inner.points.iter().skip(skip).copied().collect(), inner.dropped + inner.points.len())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_hears_each_loss_once() {
        let feed = LossFeed::default();
        (0..CAPACITY as u64 + 10).for_each(|step| feed.record(step, 0.0));
        let (all, seen) = feed.since(0);
        assert_eq!((all.len(), all[0].step, seen), (CAPACITY, 10, CAPACITY + 10));
        feed.record(9999, 1.0);
        let (news, seen) = feed.since(seen);
        assert_eq!(news, [LossPoint { step: 9999, loss: 1.0 }]);
        assert_eq!(feed.since(seen).0, []);
    }
}
