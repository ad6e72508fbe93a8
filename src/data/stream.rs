use core::fmt;

use burn::data::dataset::DatasetError;

use super::source::Source;
use super::{DataPosition, permutation};

/// The batches of one epoch after the other, without an end: the data of a hand-written loop.
///
/// Made by [`ShuffledLoader::into_stream`](super::ShuffledLoader::into_stream). A batch holds items of one epoch:
/// the last of an epoch may be shorter. The example of the [module](super) stops and resumes a stream.
pub struct BatchStream<I, O> {
    source: Source<I, O>,
    position: DataPosition,
    order: Vec<usize>,
}

impl<I, O> BatchStream<I, O> {
    /// The caller has checked that the offset lies within the dataset.
    pub(super) fn new(source: Source<I, O>, position: DataPosition) -> Self {
        let order = permutation(source.items, position.seed, position.epoch);
        Self { source, position, order }
    }

    /// The next batch.
    ///
    /// # Errors
    ///
    /// The dataset's own error if it cannot give an item; the stream then stays where it is, and the next call
    /// asks for the same items again.
    pub fn next_batch(&mut self) -> Result<O, DatasetError> {
        let (batch, items) = self.source.batch(&self.order[self.position.offset as usize..])?;
        self.position.offset += items as u64;
        if self.position.offset == self.source.items as u64 {
            self.position = self.position.next_epoch();
            self.order = permutation(self.source.items, self.position.seed, self.position.epoch);
        }
        Ok(batch)
    }

    /// The position after the batches taken so far.
    #[must_use]
    pub fn position(&self) -> DataPosition {
        self.position
    }
}

impl<I, O> fmt::Debug for BatchStream<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream")
            .field("batch_size", &self.source.batch_size)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicBool, Ordering};

    use burn::data::dataset::Dataset;
    use burn::tensor::Device;

    use super::super::source::fixture::{Items, loader};
    use super::*;
    use crate::data::ShuffledLoader;

    fn stream(at: DataPosition) -> BatchStream<usize, (Vec<usize>, bool)> {
        loader(11, 4, at).unwrap().into_stream(&Device::default())
    }

    #[test]
    fn a_stream_resumes_at_every_position() {
        let mut whole = stream(DataPosition::start(8));
        let mut positions = vec![whole.position()];
        let mut batches = Vec::new();
        for _ in 0..9 {
            batches.push(whole.next_batch().unwrap().0);
            positions.push(whole.position());
        }
        let orders: Vec<usize> = (0..3).flat_map(|epoch| permutation(11, 8, epoch)).collect();
        assert_eq!(batches.concat(), orders);
        assert_eq!(positions[9], DataPosition::after_epoch(8, 3));
        for (taken, position) in positions.iter().enumerate() {
            let saved = serde_json::to_string(position).unwrap();
            let mut resumed = stream(serde_json::from_str(&saved).unwrap());
            for i in taken..9 {
                assert_eq!(resumed.next_batch().unwrap().0, batches[i], "{position:?}");
                assert_eq!(resumed.position(), positions[i + 1]);
            }
        }
    }

    #[test]
    fn any_offset_may_be_resumed_with_any_batch_size() {
        let position = DataPosition { offset: 9, ..DataPosition::start(8) };
        let mut stream = stream(position);
        assert_eq!(stream.next_batch().unwrap().0, permutation(11, 8, 0)[9..]);
        assert_eq!(stream.position(), DataPosition::after_epoch(8, 1));
    }

    #[test]
    fn a_stream_makes_its_batches_on_its_device() {
        let device = Device::default().autodiff();
        let loader = loader(4, 4, DataPosition::start(0)).unwrap();
        assert!(loader.into_stream(&device).next_batch().unwrap().1);
    }

    /// Fails at every second question.
    struct Flaky(AtomicBool);

    impl Dataset<usize> for Flaky {
        fn get(&self, index: usize) -> Result<usize, DatasetError> {
            match self.0.fetch_not(Ordering::SeqCst) {
                true => Err(DatasetError::new(std::io::Error::other("no answer"))),
                false => Ok(index),
            }
        }

        fn len(&self) -> usize {
            3
        }
    }

    #[test]
    fn a_failed_batch_can_be_asked_for_again() {
        let dataset = Flaky(AtomicBool::new(true));
        let loader = ShuffledLoader::new(dataset, Items, 1, DataPosition::start(2)).unwrap();
        let mut stream = loader.into_stream(&Device::default());
        for item in permutation(3, 2, 0) {
            let before = stream.position();
            assert_eq!(stream.next_batch().unwrap_err().to_string(), "no answer");
            assert_eq!(stream.position(), before);
            assert_eq!(stream.next_batch().unwrap().0, [item]);
        }
    }
}
