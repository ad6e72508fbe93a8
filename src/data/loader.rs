use core::fmt;
use core::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

use super::source::Source;
use super::{BatchStream, DataError, DataPosition, permutation};

/// A data loader for burn-train whose order is a pure function of the seed and the epoch.
///
/// The first [`iter`](DataLoader::iter) gives what is left of the epoch at the loader's position, each further
/// one the whole of the next epoch; the last batch of an epoch may be shorter. burn-train calls it once per
/// epoch. An iterator that is dropped early does not hold its epoch back. Batches are made on the thread that
/// asks for them.
///
/// [`to_device`](DataLoader::to_device) and [`slice`](DataLoader::slice) give loaders that stand where this one
/// stands and count epochs of their own: a loader handed to two trainings begins both at its position. A slice
/// takes its items in the order in which the whole goes through them, so slices on several devices are shuffled
/// independently of each other. Where the position has an offset (burn-train's own checkpoints lie between
/// epochs), a slice has those of its items left that the whole has not reached.
///
/// ```
/// use std::sync::Arc;
///
/// use burn::data::dataloader::{DataLoader, batcher::Batcher};
/// use burn::data::dataset::InMemDataset;
/// use burn::tensor::{Device, Tensor};
/// use burn_apollo::data::{DataPosition, ShuffledLoader};
///
/// struct Values;
///
/// impl Batcher<f32, Tensor<1>> for Values {
///     fn batch(&self, items: Vec<f32>, device: &Device) -> Tensor<1> {
///         Tensor::from_floats(items.as_slice(), device)
///     }
/// }
///
/// let loader = |position| -> Result<Arc<dyn DataLoader<Tensor<1>>>, _> {
///     let dataset = InMemDataset::new(vec![0.0, 1.0, 2.0, 3.0, 4.0]);
///     ShuffledLoader::new(dataset, Values, 2, position).map(|loader| Arc::new(loader) as _)
/// };
/// let epoch = |loader: &dyn DataLoader<Tensor<1>>| -> Vec<Vec<f32>> {
///     let batches = loader.iter().map(Result::unwrap);
///     batches.map(|batch| batch.into_data().iter().collect()).collect()
/// };
///
/// // SupervisedTraining::new(dir, train, valid).with_default_checkpointers()…
/// let train = loader(DataPosition::start(42))?;
/// let (first, second) = (epoch(&*train), epoch(&*train));
/// assert_ne!(first, second);
///
/// // SupervisedTraining::new(dir, resumed, valid).with_default_checkpointers().checkpoint(1)…
/// let resumed = loader(DataPosition::after_epoch(42, 1))?;
/// assert_eq!(epoch(&*resumed), second);
/// # Ok::<(), burn_apollo::data::DataError>(())
/// ```
pub struct ShuffledLoader<I, O> {
    source: Source<I, O>,
    part: Range<usize>,
    next: Mutex<DataPosition>,
}

impl<I, O> ShuffledLoader<I, O> {
    /// A loader of the whole dataset that begins at `position`. Batches are made on the default device until
    /// burn-train, [`to_device`](DataLoader::to_device) or [`into_stream`](Self::into_stream) names another.
    ///
    /// # Errors
    ///
    /// [`DataError::BatchSize`] if `batch_size` is 0, [`DataError::Empty`] if the dataset has no item,
    /// [`DataError::Offset`] if the position's offset is not below the number of items.
    pub fn new(
        dataset: impl Dataset<I> + 'static,
        batcher: impl Batcher<I, O> + 'static,
        batch_size: usize,
        position: DataPosition,
    ) -> Result<Self, DataError> {
        let items = dataset.len();
        if batch_size == 0 {
            return Err(DataError::BatchSize);
        }
        if items == 0 {
            return Err(DataError::Empty);
        }
        if position.offset >= items as u64 {
            return Err(DataError::Offset { offset: position.offset, items });
        }
        let source = Source {
            dataset: Arc::new(dataset),
            items,
            batcher: Arc::new(batcher),
            batch_size,
            device: Device::default(),
        };
        Ok(Self { source, part: 0..items, next: Mutex::new(position) })
    }

    /// The batches of all epochs from where the loader stands, on `device`, for a hand-written loop.
    #[must_use]
    pub fn into_stream(self, device: &Device) -> BatchStream<I, O> {
        let position = *self.next();
        BatchStream::new(self.source.on(device), position)
    }

    fn part_on(&self, device: &Device, part: Range<usize>) -> Self {
        Self { source: self.source.on(device), part, next: Mutex::new(*self.next()) }
    }

    fn next(&self) -> MutexGuard<'_, DataPosition> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes to the next epoch and gives the order of what is left of the last.
    fn take_epoch(&self) -> Vec<usize> {
        let mut next = self.next();
        let now = *next;
        *next = now.next_epoch();
        drop(next);
        let order = permutation(self.source.items, now.seed, now.epoch).into_iter();
        let left = order.skip(now.offset as usize);
        left.filter(|item| self.part.contains(item)).collect()
    }
}

impl<I: 'static, O: 'static> DataLoader<O> for ShuffledLoader<I, O> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        let order = self.take_epoch();
        Box::new(Epoch { source: &self.source, order, taken: 0, items: self.part.len() })
    }

    fn num_items(&self) -> usize {
        self.part.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        Arc::new(self.part_on(device, self.part.clone()))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        let item = |i: usize| self.part.start.saturating_add(i).min(self.part.end);
        Arc::new(self.part_on(&self.source.device, item(start)..item(end)))
    }
}

impl<I, O> fmt::Debug for ShuffledLoader<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShuffledLoader")
            .field("batch_size", &self.source.batch_size)
            .field("part", &self.part)
            .field("next", &*self.next())
            .finish_non_exhaustive()
    }
}

/// One epoch, or what is left of it.
struct Epoch<'a, I, O> {
    source: &'a Source<I, O>,
    order: Vec<usize>,
    taken: usize,
    items: usize,
}

impl<I, O> Iterator for Epoch<'_, I, O> {
    type Item = Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = &self.order[self.taken..];
        if left.is_empty() {
            return None;
        }
        Some(self.source.batch(left).map(|(batch, items)| {
            self.taken += items;
            batch
        }))
    }
}

impl<I, O> DataLoaderIterator<O> for Epoch<'_, I, O> {
    fn progress(&self) -> Progress {
        let left = self.order.len() - self.taken;
        Progress::new(self.items - left, self.items, Some("items".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::fixture::{Items, loader};
    use super::*;

    type Batches = dyn DataLoader<(Vec<usize>, bool)>;

    fn epoch(loader: &Batches) -> Vec<Vec<usize>> {
        loader.iter().map(|batch| batch.unwrap().0).collect()
    }

    fn chunks(order: &[usize], size: usize) -> Vec<Vec<usize>> {
        order.chunks(size).map(<[usize]>::to_vec).collect()
    }

    #[test]
    fn each_iterator_is_the_next_epoch() {
        let loader = loader(11, 4, DataPosition::start(5)).unwrap();
        for number in 0..3 {
            assert_eq!(epoch(&loader), chunks(&permutation(11, 5, number), 4));
        }
        drop(loader.iter());
        assert_eq!(epoch(&loader), chunks(&permutation(11, 5, 4), 4));
        assert_eq!(loader.num_items(), 11);
    }

    #[test]
    fn the_first_epoch_begins_at_the_offset() {
        let position = DataPosition { offset: 5, ..DataPosition::after_epoch(5, 2) };
        let loader = loader(11, 4, position).unwrap();
        assert_eq!(epoch(&loader), chunks(&permutation(11, 5, 2)[5..], 4));
        assert_eq!(epoch(&loader), chunks(&permutation(11, 5, 3), 4));
    }

    #[test]
    fn progress_is_complete_at_the_last_batch() {
        let processed = |loader: &Batches| -> Vec<(usize, bool)> {
            let mut epoch = loader.iter();
            let progress = |p: Progress| (p.items_processed, p.is_completed());
            let mut all = vec![progress(epoch.progress())];
            while epoch.next().is_some() {
                all.push(progress(epoch.progress()));
                assert_eq!(epoch.progress().items_total, loader.num_items());
            }
            all
        };
        let position = DataPosition { offset: 3, ..DataPosition::start(1) };
        let loader = loader(11, 4, position).unwrap();
        let whole = [(0, false), (4, false), (8, false), (11, true)];
        assert_eq!(processed(&loader), [(3, false), (7, false), (11, true)]);
        assert_eq!(processed(&loader), whole);
        assert_eq!(processed(&*loader.slice(0, 11)), whole);
    }

    #[test]
    fn copies_on_devices_count_their_own_epochs() {
        let device = Device::default().autodiff();
        let loader = loader(11, 4, DataPosition::start(5)).unwrap();
        assert!(loader.iter().all(|batch| !batch.unwrap().1));
        let moved = loader.to_device(&device);
        let order = |number| chunks(&permutation(11, 5, number), 4);
        assert_eq!((epoch(&*moved), epoch(&*moved)), (order(1), order(2)));
        assert_eq!(epoch(&loader), order(1));
        assert_eq!(epoch(&*loader.to_device(&device)), order(2));
        assert!(moved.iter().all(|batch| batch.unwrap().1));
        assert!(moved.slice(0, 11).iter().all(|batch| batch.unwrap().1));
    }

    #[test]
    fn slices_share_each_epoch_out() {
        let position = DataPosition { offset: 6, ..DataPosition::start(5) };
        let loader = loader(23, 4, position).unwrap();
        let (second, third) = (loader.slice(7, 23).slice(0, 9), loader.slice(16, 99));
        let slices = [loader.slice(0, 7), second, third.slice(0, usize::MAX)];
        let parts = [0..7, 7..16, 16..23];
        assert_eq!(slices.each_ref().map(|s| s.num_items()), [7, 9, 7]);
        for number in 0..3 {
            let order = permutation(23, 5, number);
            let left = &order[if number == 0 { 6 } else { 0 }..];
            for (slice, part) in slices.iter().zip(&parts) {
                let own: Vec<usize> = left.iter().copied().filter(|i| part.contains(i)).collect();
                assert_eq!(epoch(&**slice), chunks(&own, 4));
            }
        }
        assert_eq!(epoch(&loader).concat(), permutation(23, 5, 0)[6..], "its own counter stands");
    }

    #[test]
    fn slices_without_items_are_empty() {
        let loader = loader(5, 2, DataPosition::start(0)).unwrap();
        for (start, end) in [(2, 2), (4, 1), (5, 9), (usize::MAX, usize::MAX), (9, 0)] {
            let slice = loader.slice(start, end);
            assert_eq!((slice.num_items(), epoch(&*slice).len()), (0, 0), "{start}..{end}");
            assert!(slice.iter().progress().is_completed());
            assert_eq!(slice.slice(0, usize::MAX).num_items(), 0);
        }
    }

    #[test]
    fn the_last_epoch_number_is_followed_by_the_first() {
        let position = DataPosition { epoch: u64::MAX, ..DataPosition::start(3) };
        let loader = loader(6, 6, position).unwrap();
        assert_eq!(epoch(&loader), [permutation(6, 3, u64::MAX)]);
        assert_eq!(epoch(&loader), [permutation(6, 3, 0)]);
    }

    #[test]
    fn bad_input_is_refused() {
        let start = DataPosition::start(0);
        let error = |items, batch, at| loader(items, batch, at).unwrap_err();
        assert_eq!(error(3, 0, start), DataError::BatchSize);
        assert_eq!(error(0, 2, start), DataError::Empty);
        for offset in [3, 4, u64::MAX] {
            let position = DataPosition { offset, ..start };
            assert_eq!(error(3, 2, position), DataError::Offset { offset, items: 3 });
        }
        assert!(loader(3, usize::MAX, DataPosition { offset: 2, ..start }).is_ok());
    }

    #[test]
    fn a_shared_dataset_serves_several_loaders() {
        let dataset: Arc<dyn Dataset<usize>> =
            Arc::new(burn::data::dataset::InMemDataset::new(vec![7; 4]));
        for seed in 0..2 {
            let position = DataPosition::start(seed);
            let loader = ShuffledLoader::new(dataset.clone(), Items, 3, position).unwrap();
            assert_eq!(epoch(&loader), [vec![7; 3], vec![7]]);
        }
    }
}
