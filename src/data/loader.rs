use core::fmt;
use core::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

use super::{BatchStream, DataPosition, permutation};
use crate::plan::PlanError;

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
/// # Ok::<(), burn_apollo::plan::PlanError>(())
/// ```
pub struct ShuffledLoader<I, O> {
    dataset: Arc<dyn Dataset<I>>,
    /// Items of the dataset.
    pub(super) items: usize,
    batcher: Arc<dyn Batcher<I, O>>,
    batch_size: usize,
    device: Device,
    /// The items that are this loader's own.
    part: Range<usize>,
    next: Mutex<DataPosition>,
}

impl<I, O> ShuffledLoader<I, O> {
    /// A loader of the whole dataset that begins at `position`. Batches are made on the default device until
    /// burn-train, [`to_device`](DataLoader::to_device) or [`into_stream`](Self::into_stream) names another.
    ///
    /// # Errors
    ///
    /// If `batch_size` is 0, the dataset has no item, or the position's offset is not below the number of items: it belongs
    /// to another dataset then.
    pub fn new(
        dataset: impl Dataset<I> + 'static,
        batcher: impl Batcher<I, O> + 'static,
        batch_size: usize,
        position: DataPosition,
    ) -> Result<Self, PlanError> {
        let items = dataset.len();
        PlanError::unless(batch_size > 0, "batch_size", batch_size, "at least 1")?;
        PlanError::unless(items > 0, "dataset", "none", "at least one item")?;
        let (offset, below) = (position.offset, format!("below the {items} items of the dataset"));
        PlanError::unless(offset < items as u64, "offset", offset, &below)?;
        Ok(Self {
            dataset: Arc::new(dataset),
            items,
            batcher: Arc::new(batcher),
            batch_size,
            device: Device::default(),
            part: 0..items,
            next: Mutex::new(position),
        })
    }

    /// The batches of all epochs from where the loader stands, on `device`, for a hand-written loop.
    #[must_use]
    pub fn into_stream(self, device: &Device) -> BatchStream<I, O> {
        let position = *self.next();
        let order = permutation(self.items, position.seed, position.epoch);
        BatchStream { loader: Self { device: device.clone(), ..self }, position, order }
    }

    fn part_on(&self, device: &Device, part: Range<usize>) -> Self {
        Self {
            dataset: self.dataset.clone(),
            items: self.items,
            batcher: self.batcher.clone(),
            batch_size: self.batch_size,
            device: device.clone(),
            part,
            next: Mutex::new(*self.next()),
        }
    }

    /// The batch of the first items of `order`, and how many they are.
    pub(super) fn batch(&self, order: &[usize]) -> Result<(O, usize), DatasetError> {
        let items = order.len().min(self.batch_size);
        let batch = self.dataset.get_many(order[..items].to_vec())?;
        Ok((self.batcher.batch(batch, &self.device), items))
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
        let order = permutation(self.items, now.seed, now.epoch).into_iter();
        let left = order.skip(now.offset as usize);
        left.filter(|item| self.part.contains(item)).collect()
    }
}

impl<I: 'static, O: 'static> DataLoader<O> for ShuffledLoader<I, O> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        let order = self.take_epoch();
        Box::new(Epoch { loader: self, order, taken: 0 })
    }

    fn num_items(&self) -> usize {
        self.part.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        Arc::new(self.part_on(device, self.part.clone()))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        let item = |i: usize| self.part.start.saturating_add(i).min(self.part.end);
        Arc::new(self.part_on(&self.device, item(start)..item(end)))
    }
}

impl<I, O> fmt::Debug for ShuffledLoader<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShuffledLoader")
            .field("batch_size", &self.batch_size)
            .field("part", &self.part)
            .field("next", &*self.next())
            .finish_non_exhaustive()
    }
}

/// One epoch, or what is left of it.
struct Epoch<'a, I, O> {
    loader: &'a ShuffledLoader<I, O>,
    order: Vec<usize>,
    taken: usize,
}

impl<I, O> Iterator for Epoch<'_, I, O> {
    type Item = Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = Some(&self.order[self.taken..]).filter(|left| !left.is_empty())?;
        Some(self.loader.batch(left).map(|(batch, items)| {
            self.taken += items;
            batch
        }))
    }
}

impl<I, O> DataLoaderIterator<O> for Epoch<'_, I, O> {
    fn progress(&self) -> Progress {
        let left = self.order.len() - self.taken;
        let items = self.loader.part.len();
        Progress::new(items - left, items, Some("items".to_owned()))
    }
}
