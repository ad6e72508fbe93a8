use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

/// Where batches come from, whatever their order.
pub(super) struct Source<I, O> {
    pub dataset: Arc<dyn Dataset<I>>,
    /// Items of the dataset.
    pub items: usize,
    pub batcher: Arc<dyn Batcher<I, O>>,
    pub batch_size: usize,
    pub device: Device,
}

impl<I, O> Source<I, O> {
    /// The batch of the first items of `order`, and how many they are.
    pub fn batch(&self, order: &[usize]) -> Result<(O, usize), DatasetError> {
        let items = order.len().min(self.batch_size);
        let batch = self.dataset.get_many(order[..items].to_vec())?;
        Ok((self.batcher.batch(batch, &self.device), items))
    }

    pub fn on(&self, device: &Device) -> Self {
        Self {
            dataset: self.dataset.clone(),
            items: self.items,
            batcher: self.batcher.clone(),
            batch_size: self.batch_size,
            device: device.clone(),
        }
    }
}

/// Datasets whose items are their own indexes, in batches that show them and whether their device
/// differentiates.
#[cfg(test)]
pub(super) mod fixture {
    use super::*;
    use crate::data::{DataError, DataPosition, ShuffledLoader};

    pub struct Items;

    impl Batcher<usize, (Vec<usize>, bool)> for Items {
        fn batch(&self, items: Vec<usize>, device: &Device) -> (Vec<usize>, bool) {
            (items, device.is_autodiff())
        }
    }

    pub type Loader = ShuffledLoader<usize, (Vec<usize>, bool)>;

    pub fn loader(items: usize, batch: usize, at: DataPosition) -> Result<Loader, DataError> {
        let dataset = burn::data::dataset::InMemDataset::new((0..items).collect());
        ShuffledLoader::new(dataset, Items, batch, at)
    }
}
