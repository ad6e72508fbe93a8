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

/// A number that a training loop measured at an optimizer step, beside its losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The optimizer step, from 0.
    pub step: u64,
    /// What was measured, as the policy knows it.
    pub name: String,
    /// The number found.
    #[serde(with = "number")]
    pub value: f64,
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

/// A cheap handle through which a training loop tells a growth policy its losses, and by
/// [`measure`](Self::measure) any other number.
///
/// Burn's `optimize` sees gradients but no loss, so a loss-driven policy needs this feed. Reading a
/// loss makes the device wait: feed it every few steps where that matters. Clones share one feed. It
/// remembers the latest 4096 losses and as many other numbers. Between [`Apollo::branch`](crate::Apollo::branch) and
/// [`Apollo::adopt`](crate::Apollo::adopt) it hears nothing.
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
/// feed.measure("gradient correlation", 0.3);
/// assert_eq!(feed.recorded(), 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct LossFeed {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    losses: Latest<LossPoint>,
    measured: Latest<Measurement>,
    step: u64,
    /// Tells nobody what it is told: the numbers are those of a try-out.
    deaf: bool,
}

const CAPACITY: usize = 4096;

/// The latest numbers of a kind.
#[derive(Debug)]
struct Latest<T> {
    items: VecDeque<T>,
    dropped: usize,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), dropped: 0 }
    }
}

impl<T: Clone> Latest<T> {
    fn push(&mut self, item: T) {
        if self.items.len() == CAPACITY {
            self.items.pop_front();
            self.dropped += 1;
        }
        self.items.push_back(item);
    }

    fn told(&self) -> usize {
        self.dropped + self.items.len()
    }

    fn since(&self, from: usize) -> Vec<T> {
        self.items.iter().skip(from.saturating_sub(self.dropped)).cloned().collect()
    }
}

/// How much of a feed a policy has heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    losses: usize,
    measured: usize,
}

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

    /// Whether what is told now is for nobody.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.lock().deaf = deaf;
    }

    /// Tells the loss of an optimizer step.
    pub fn record(&self, step: u64, loss: f64) {
        let mut inner = self.lock();
        if !inner.deaf {
            inner.losses.push(LossPoint { step, loss });
        }
    }

    /// Tells a number of any other kind, measured at the step that the [`Apollo`](crate::Apollo) with this feed
    /// stands at. The policy hears it, with that step, when it is asked next.
    pub fn measure(&self, name: impl Into<String>, value: f64) {
        let step = self.lock().step;
        self.tell(Measurement { step, name: name.into(), value });
    }

    pub(crate) fn tell(&self, measurement: Measurement) {
        let mut inner = self.lock();
        if !inner.deaf {
            inner.measured.push(measurement);
        }
    }

    /// How many losses were told since the feed was made.
    pub fn recorded(&self) -> usize {
        self.lock().losses.told()
    }

    /// All that was told until now.
    pub(crate) fn heard(&self) -> Heard {
        self.since(Heard { losses: usize::MAX, measured: usize::MAX }).2
    }

    /// What was told after `heard`, and all that was told until now.
    pub(crate) fn since(&self, heard: Heard) -> (Vec<LossPoint>, Vec<Measurement>, Heard) {
        let inner = self.lock();
        let now = Heard { losses: inner.losses.told(), measured: inner.measured.told() };
        (inner.losses.since(heard.losses), inner.measured.since(heard.measured), now)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_hears_each_number_once() {
        let feed = LossFeed::default();
        (0..CAPACITY as u64 + 10).for_each(|step| feed.record(step, 0.0));
        let (all, none, _) = feed.since(Heard::default());
        assert_eq!((all.len(), all[0].step, none.len()), (CAPACITY, 10, 0));
        assert_eq!(feed.recorded(), CAPACITY + 10);
        let heard = feed.heard();
        feed.record(9999, 1.0);
        feed.begin_step(7);
        feed.measure("norm", 0.5);
        let (losses, measured, heard) = feed.since(heard);
        assert_eq!(losses, [LossPoint { step: 9999, loss: 1.0 }]);
        assert_eq!(measured, [Measurement { step: 7, name: "norm".to_owned(), value: 0.5 }]);
        assert_eq!(heard, feed.heard());
        assert_eq!(feed.since(heard), (vec![], vec![], heard));
    }

    #[test]
    fn a_deaf_feed_hears_nothing() {
        let feed = LossFeed::default();
        feed.set_deaf(true);
        feed.push(1.0);
        feed.measure("norm", 1.0);
        feed.set_deaf(false);
        feed.push(2.0);
        assert_eq!(feed.heard(), Heard { losses: 1, measured: 0 });
    }
}
