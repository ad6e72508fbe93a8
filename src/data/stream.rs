use core::fmt;

use burn::data::dataset::DatasetError;

use super::{DataPosition, ShuffledLoader, permutation};

/// The batches of one epoch after the other, without an end: the data of a hand-written loop.
///
/// Made by [`ShuffledLoader::into_stream`](super::ShuffledLoader::into_stream). A batch holds items of one epoch:
/// the last of an epoch may be shorter. The example of the [module](super) stops and resumes a stream.
pub struct BatchStream<I, O> {
    pub(super) loader: ShuffledLoader<I, O>,
    pub(super) position: DataPosition,
    /// That of the position's epoch.
    pub(super) order: Vec<usize>,
}

impl<I, O> BatchStream<I, O> {
    /// The next batch.
    ///
    /// # Errors
    ///
    /// The dataset's own error if it cannot give an item; the stream then stays where it is, and the next call
    /// asks for the same items again.
    pub fn next_batch(&mut self) -> Result<O, DatasetError> {
        let (batch, items) = self.loader.batch(&self.order[self.position.offset as usize..])?;
        self.position.offset += items as u64;
        if self.position.offset == self.loader.items as u64 {
            self.position = self.position.next_epoch();
            self.order = permutation(self.loader.items, self.position.seed, self.position.epoch);
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
        f.debug_struct("BatchStream").field("position", &self.position).finish_non_exhaustive()
    }
}
