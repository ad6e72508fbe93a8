use thiserror::Error;

/// Why a [`ShuffledLoader`](super::ShuffledLoader) cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The batch size is 0.
    #[error("`batch_size` must be at least 1, found 0")]
    BatchSize,
    /// The dataset has no item.
    #[error("the dataset has no item")]
    Empty,
    /// The position lies at or beyond the end of an epoch: it belongs to another dataset.
    #[error("`offset` must be below the {items} items of the dataset, found {offset}")]
    Offset {
        /// The offset of the position.
        offset: u64,
        /// Items of the dataset.
        items: usize,
    },
}
