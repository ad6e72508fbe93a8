//! The corpus of `gpt` and `bert`: a text on disk, read window by window, and the tokens that `--prepare` makes of one.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use apollo_examples::text::corpus::blocks::{Blocks, LEAST, MOST};
use apollo_examples::text::corpus::header::{Header, LENGTH, MAGIC, TokensError, width};
use apollo_examples::text::corpus::tokens::{TokenWriter, Tokens};
use apollo_examples::text::corpus::windows::{Window, WindowsBatcher};
use apollo_examples::text::corpus::{Corpus, Order, Vocabulary};
use burn::data::dataset::Dataset;
use burn::tensor::{Device, Int, Tensor};
use burn_apollo::data::{DataPosition, ShuffledLoader};
use proptest::prelude::*;

const TEXT: &str = apollo_examples_testing::SHAKESPEARE;

fn ids(tensor: &Tensor<2, Int>) -> Vec<i32> {
    tensor.clone().into_data().iter().collect()
}

fn corpus(dir: &Path, text: &[u8], seq: usize) -> Corpus {
    let path = dir.join("text");
    fs::write(&path, text).unwrap();
    Corpus::read(&path, seq).unwrap()
}

/// A reader that gives `most` bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Blocks hold the whole text, whole characters, and do not depend on how it is read.
    #[test]
    fn blocks_follow_from_the_text_alone(
        lines in prop::collection::vec((any::<char>(), 0_usize..2 * MOST), 0..8),
        most in 1000_usize..100_000,
    ) {
        let text: String = lines
            .iter()
            .map(|(character, length)| character.to_string().repeat(length / character.len_utf8()) + "\n")
            .collect();
        let blocks = |reader| Blocks::new(reader).collect::<Result<Vec<_>, _>>().unwrap();
        let found = blocks(Trickle(text.as_bytes(), usize::MAX));
        prop_assert_eq!(&found, &blocks(Trickle(text.as_bytes(), most)));
        prop_assert!(found.concat() == text.as_bytes());
        for (i, block) in found.iter().enumerate() {
            prop_assert!(std::str::from_utf8(block).is_ok());
            let last = i + 1 == found.len();
            prop_assert!(block.len() <= MOST && (last || block.len() >= LEAST), "{}", block.len());
            let long_line = block.len() > MOST - 4;
            prop_assert!(last || long_line || block.ends_with(b"\n"));
        }
    }

    /// No file, however damaged, makes a panic or gives tokens beyond the vocabulary.
    #[test]
    fn damaged_token_files_are_refused(
        flips in prop::collection::vec((0_usize..LENGTH, any::<u8>()), 1..4),
        cut in 0_usize..200,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        written(&path, 300, &[7; 50]);
        let good = fs::read(&path).unwrap();
        let mut bytes = good.clone();
        flips.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        bytes.truncate(good.len().saturating_sub(cut));
        fs::write(&path, &bytes).unwrap();
        match Tokens::open(&path) {
            Ok(tokens) if bytes.starts_with(&MAGIC) => prop_assert!(bytes == good && tokens.header().tokens == 50),
            Ok(tokens) => prop_assert_eq!(tokens.header().tokens, bytes.len() as u64), // a text
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }
}

/// A token file of these tokens.
fn written(path: &Path, vocabulary: usize, ids: &[u32]) -> Header {
    let mut writer = TokenWriter::create(path, vocabulary, Some(1)).unwrap();
    writer.write(ids.iter().copied()).unwrap();
    writer.finish(1000).unwrap()
}

#[test]
fn tokens_come_back_in_every_width() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    for (vocabulary, bytes) in [(2, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4), (1 << 20, 4)]
    {
        let ids: Vec<u32> = (0..1000).map(|i| i * 7919 % vocabulary).collect();
        let header = written(&path, vocabulary as usize, &ids);
        assert_eq!(width(vocabulary as usize), bytes);
        assert_eq!(fs::metadata(&path).unwrap().len(), (LENGTH + 1000 * bytes) as u64);
        let tokens = Tokens::open(&path).unwrap();
        assert_eq!(*tokens.header(), header);
        let expected: Vec<i32> = ids.iter().map(|id| *id as i32).collect();
        assert_eq!(tokens.read(0, 1000).unwrap(), expected);
        assert_eq!(tokens.read(993, 5).unwrap(), expected[993..998]);
    }
}

#[test]
fn tokens_beyond_the_vocabulary_and_the_end_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    written(&path, 300, &[1, 299, 300, 4]);
    let tokens = Tokens::open(&path).unwrap();
    assert_eq!(tokens.read(0, 2).unwrap(), [1, 299]);
    let error = tokens.read(1, 3).unwrap_err();
    assert!(
        matches!(error, TokensError::Token { index: 2, found: 300, vocabulary: 300 }),
        "{error}"
    );
    assert!(matches!(tokens.read(2, 9).unwrap_err(), TokensError::Io(_)));
}

/// Headers with a right checksum that no `--prepare` wrote.
#[test]
fn headers_that_lie_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    written(&path, 300, &[7; 50]);
    let good = fs::read(&path).unwrap();
    for (at, bytes, word) in [
        (8, &2_u16.to_le_bytes()[..], "version 2; this program reads version 1"),
        (10, &4_u16.to_le_bytes(), "4 bytes per token; a vocabulary of 300 takes 2"),
        (12, &0_u32.to_le_bytes(), "a vocabulary of 0"),
        (12, &u32::MAX.to_le_bytes(), "a vocabulary of 4294967295"),
        (16, &u64::MAX.to_le_bytes(), "must have more than any file bytes, it has 148"),
        (16, &51_u64.to_le_bytes(), "51 tokens must have 150 bytes, it has 148"),
        (36, &0_u32.to_le_bytes(), "a vocabulary of 300"),
        (36, &2_u32.to_le_bytes(), "unknown kind 2"),
    ] {
        let mut lie = good.clone();
        lie[at..at + bytes.len()].copy_from_slice(bytes);
        let sum = crc32fast::hash(&lie[..LENGTH - 4]);
        lie[LENGTH - 4..LENGTH].copy_from_slice(&sum.to_le_bytes());
        fs::write(&path, lie).unwrap();
        let error = Tokens::open(&path).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// The text of the file lies on disk as 64 GiB that take no room: nothing may hold all of it, or go through it.
#[test]
fn a_corpus_larger_than_memory_is_read_window_by_window() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let tokens = 1_u64 << 36;
    let header = Header {
        vocabulary: 256,
        tokens,
        source_bytes: tokens,
        checksum: 5,
        vocabulary_checksum: None,
    };
    fs::write(&path, header.to_bytes()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(LENGTH as u64 + tokens).unwrap();
    let corpus = Corpus::read(&path, 32).unwrap();
    let device = Device::flex();
    let batch = corpus.batch(1, 2, 8, 32, &device).unwrap();
    assert_eq!((batch.inputs.dims(), ids(&batch.targets)), ([8, 32], vec![0; 8 * 32]));
    let held = corpus.validation(5, 2, 32, &device).unwrap();
    assert_eq!(held.iter().map(|batch| batch.inputs.dims()[0]).collect::<Vec<_>>(), [2, 2, 1]);
    assert!(corpus.windows(32).get((tokens / 32 / 20 * 19) as usize - 1).is_ok());
}

/// Epochs of a hand-written loop are those of the library's loader over the same windows as a dataset, which can go on
/// anywhere.
#[test]
fn the_windows_are_a_dataset_of_burn() {
    const SEQ: usize = 4;
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let text: Vec<u8> = (0..=255).collect();
    let epochs = corpus(dir.path(), &text, SEQ).with_order(Order::Epochs);
    let loader = |position| {
        let windows = epochs.windows(SEQ);
        ShuffledLoader::new(windows, WindowsBatcher, 7, position).unwrap().into_stream(&device)
    };
    let mut stream = loader(DataPosition::start(3));
    // 244 bytes for training are 60 windows: nine batches, of which the last has four windows.
    for number in 0..23 {
        if number % 5 == 0 {
            stream = loader(stream.position());
        }
        let (own, loaders) =
            (epochs.batch(3, number, 7, SEQ, &device).unwrap(), stream.next_batch().unwrap());
        assert_eq!(own.inputs.dims()[0], if number % 9 == 8 { 4 } else { 7 });
        assert_eq!(ids(&own.inputs), ids(&loaders.inputs), "{number}");
        assert_eq!(ids(&own.targets), ids(&loaders.targets), "{number}");
    }
    let windows = epochs.windows(SEQ);
    assert_eq!(windows.get(1).unwrap(), Window(vec![4, 5, 6, 7, 8]));
    assert!(windows.get(60).is_err());
    assert_eq!(Dataset::len(&windows), 60);
    // Of nine batches each; drawn at random, two epochs are twice 244 bytes in batches of 28.
    assert_eq!(epochs.steps(2, 7, 1, SEQ), 18);
    assert_eq!(epochs.steps(2, 7, 4, SEQ), 5);
    let random = epochs.with_order(Order::Random);
    assert_eq!((random.steps(3, 7, 1, SEQ), random.steps(3, 7, 4, SEQ)), (27, 7));
}

#[test]
fn an_epoch_has_every_target_once() {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let text: Vec<u8> = (0..200).collect();
    let corpus = corpus(dir.path(), &text, 9).with_order(Order::Epochs);
    let targets: Vec<i32> =
        (0..7).flat_map(|n| ids(&corpus.batch(1, n, 3, 9, &device).unwrap().targets)).collect();
    // 190 bytes for training, of which the first is no target.
    assert_eq!((targets.len(), targets.iter().collect::<HashSet<_>>().len()), (189, 189));
    assert_eq!((targets.iter().min(), targets.iter().max()), (Some(&1), Some(&189)));
}

/// Neither order shows training a token of the validation part, or one after it.
#[test]
fn training_and_validation_do_not_meet() {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let text: Vec<u8> = (0..400).map(|i| u8::from(i >= 380)).collect();
    for order in [Order::Random, Order::Epochs] {
        let corpus = corpus(dir.path(), &text, 16).with_order(order);
        for number in 0..100 {
            let batch = corpus.batch(1, number, 4, 16, &device).unwrap();
            assert!(ids(&batch.targets).iter().all(|id| *id == 0), "{order:?}");
        }
        for batch in corpus.validation(100, 4, 16, &device).unwrap() {
            assert!(ids(&batch.inputs).iter().all(|id| *id == 1), "{order:?}");
        }
    }
}

/// Random merges, which some tokenizers are trained with, would give other tokens at every use.
#[test]
fn tokens_of_a_text_are_not_random() {
    let vocabulary = Vocabulary::learn(300, &[], ["to be or not to be".to_owned()].into_iter());
    let json = vocabulary.unwrap().json().unwrap().replace("\"dropout\": null", "\"dropout\": 0.5");
    let json = json.replace("\"dropout\":null", "\"dropout\":0.5");
    assert!(json.contains("0.5"));
    let random = Vocabulary::from_json(json).unwrap();
    let tokens = |_| random.encode(&"to be or not to be ".repeat(50)).unwrap();
    assert!((0..8).map(tokens).collect::<HashSet<_>>().len() == 1);
}

#[test]
fn a_learned_vocabulary_encodes_every_text_and_follows_from_its_text() {
    let text = fs::read_to_string(TEXT).unwrap();
    let learn = || {
        let blocks =
            text.as_bytes().chunks(60_000).map(|b| String::from_utf8_lossy(b).into_owned());
        Vocabulary::learn(500, &["[MASK]"], blocks.collect::<Vec<_>>().into_iter()).unwrap()
    };
    let (vocabulary, again) = (learn(), learn());
    assert_eq!((vocabulary.size(), vocabulary.json()), (500, again.json()));
    assert_eq!(vocabulary.mask(), Some(("[MASK]", 0)));
    for sample in [&text[..5000], "naïve – 日本語 \u{1f600}\r\n\t\u{0}", " two  spaces ", ""]
    {
        let ids = vocabulary.encode(sample).unwrap();
        assert!(ids.iter().all(|id| (*id as usize) < 500));
        assert_eq!(vocabulary.decode(&ids).unwrap(), sample);
    }
    let ids = vocabulary.encode("a [MASK] is one token").unwrap();
    assert!(ids.contains(&0) && vocabulary.decode(&ids).unwrap() == "a [MASK] is one token");
    let ids = vocabulary.encode(&text[..5000]).unwrap();
    assert!(ids.len() < 3000, "{} tokens", ids.len());
}
