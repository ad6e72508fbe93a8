//! Shuffled batches whose order a resumed run repeats exactly.
//!
//! Burn's own loader shuffles with a generator that moves on at each epoch: a run resumed after epoch 4 sees the
//! order of epoch 1 again, and no place inside an epoch can be resumed. Here the order of an epoch is a
//! [`permutation`] that follows from the seed and the epoch alone, and a [`DataPosition`] of three numbers is all
//! that a checkpoint needs beside model and optimizer. The dataset must be the same, with its items in the same
//! order.
//!
//! Inside burn-train, a [`ShuffledLoader`] goes where Burn's loader went; its example shows a resume. A
//! hand-written loop takes its batches from a [`BatchStream`]:
//!
//! ```
//! use burn::data::dataloader::batcher::Batcher;
//! use burn::data::dataset::InMemDataset;
//! use burn::tensor::{Device, Tensor};
//! use burn_apollo::data::{BatchStream, DataPosition, ShuffledLoader};
//!
//! struct Values;
//!
//! impl Batcher<f32, Tensor<1>> for Values {
//!     fn batch(&self, items: Vec<f32>, device: &Device) -> Tensor<1> {
//!         Tensor::from_floats(items.as_slice(), device)
//!     }
//! }
//!
//! # type Error = Box<dyn std::error::Error>;
//! fn batches(position: DataPosition) -> Result<BatchStream<f32, Tensor<1>>, Error> {
//!     let dataset = InMemDataset::new((0..10).map(|i| i as f32).collect());
//!     let loader = ShuffledLoader::new(dataset, Values, 4, position)?;
//!     Ok(loader.into_stream(&Device::default()))
//! }
//!
//! // 4 of 6 steps: the first epoch (4, 4 and 2 items) and a part of the second.
//! let mut stream = batches(DataPosition::start(42))?;
//! for _step in 0..4 {
//!     let x = stream.next_batch()?;
//!     // loss, backward, optimizer…
//! }
//! let saved = serde_json::to_string(&stream.position())?; // into the checkpoint
//! assert_eq!(saved, r#"{"seed":42,"epoch":1,"offset":4}"#);
//!
//! // Another process takes the last two steps on the batches that the first would have had.
//! let mut resumed = batches(serde_json::from_str(&saved)?)?;
//! for _step in 4..6 {
//!     let (x, expected) = (resumed.next_batch()?, stream.next_batch()?);
//!     assert_eq!(x.into_data(), expected.into_data());
//! }
//! assert_eq!(resumed.position(), DataPosition { epoch: 2, ..DataPosition::start(42) });
//! # Ok::<(), Error>(())
//! ```

mod loader;
mod permutation;
mod position;
mod stream;

pub use loader::ShuffledLoader;
pub use permutation::permutation;
pub use position::DataPosition;
pub use stream::BatchStream;

#[cfg(test)]
mod tests;
