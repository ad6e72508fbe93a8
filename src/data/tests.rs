//! Tests of the loader and the stream.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, Progress};
use burn::data::dataset::{Dataset, DatasetError, InMemDataset};
use burn::tensor::Device;

use super::*;
use crate::plan::PlanError;

/// Items are their own indexes; a batch shows them and whether its device differentiates.
struct Items;

impl Batcher<usize, (Vec<usize>, bool)> for Items {
    fn batch(&self, items: Vec<usize>, device: &Device) -> (Vec<usize>, bool) {
        (items, device.is_autodiff())
    }
}

type Loader = ShuffledLoader<usize, (Vec<usize>, bool)>;

fn loader(items: usize, batch: usize, at: DataPosition) -> Result<Loader, PlanError> {
    ShuffledLoader::new(InMemDataset::new((0..items).collect()), Items, batch, at)
}

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
    assert_eq!(error(3, 0, start).to_string(), "`batch_size` must be at least 1, found 0");
    assert_eq!(error(0, 2, start).to_string(), "`dataset` must be at least one item, found none");
    for offset in [3, 4, u64::MAX] {
        let position = DataPosition { offset, ..start };
        let expected = format!("`offset` must be below the 3 items of the dataset, found {offset}");
        assert_eq!(error(3, 2, position).to_string(), expected);
    }
    assert!(loader(3, usize::MAX, DataPosition { offset: 2, ..start }).is_ok());
}

#[test]
fn a_shared_dataset_serves_several_loaders() {
    let dataset: Arc<dyn Dataset<usize>> = Arc::new(InMemDataset::new(vec![7; 4]));
    for seed in 0..2 {
        let position = DataPosition::start(seed);
        let loader = ShuffledLoader::new(dataset.clone(), Items, 3, position).unwrap();
        assert_eq!(epoch(&loader), [vec![7; 3], vec![7]]);
    }
}

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
