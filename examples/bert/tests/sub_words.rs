//! `bert` on tokens that `--prepare` made: bytes, learned sub-words, a user's `tokenizer.json`.

use std::fs;

use apollo_examples::text::corpus::Vocabulary;
use apollo_examples_testing::sub_words::{self, Files, config};
use apollo_examples_testing::{Program, ok, refused};
use serde_json::json;

/// 30 steps with two growths.
const BERT: Program = Program {
    path: env!("CARGO_BIN_EXE_bert"),
    tiny: "--layers 4 --width 16 --heads 2 --steps 30 --batch 2 --seq 8 --checkpoint-every 7",
};

#[test]
fn bytes_train_as_the_text_does() {
    sub_words::bytes_train_as_the_text_does(&BERT);
}

#[test]
fn learned_sub_words_train_resume_and_write_text() {
    sub_words::learned_sub_words_train_resume_and_write_text(&BERT, json!("[MASK]"));
}

/// Its own mask is the model's too.
#[test]
fn a_users_tokenizer_gives_tokens_and_mask() {
    sub_words::a_users_tokenizer_gives_tokens(&BERT, 12);
}

#[test]
fn a_vocabulary_without_a_mask_has_one_more_token() {
    let files = Files::new();
    let text = fs::read_to_string(files.at("text")).unwrap();
    let vocabulary = Vocabulary::learn(300, &[], [text].into_iter()).unwrap();
    fs::write(files.at("others.json"), vocabulary.json().unwrap()).unwrap();
    files.prepare(&BERT, "others", &files.name("others.json"));
    ok(&BERT.tiny(&files.at("other"), &["--data", &files.name("others")]));
    ok(&BERT.export(&files.at("other"), &files.name("exported"), &[]));
    assert_eq!(config(&files.at("exported"))["vocab_size"], 301);
}

#[test]
fn one_command_learns_sub_words_and_trains() {
    sub_words::one_command_learns_sub_words_and_trains(&BERT);
}

/// The mask is a token too.
#[test]
fn the_least_vocabulary_holds_the_mask() {
    let files = Files::new();
    let (text, new) = (files.name("text"), files.name("new"));
    let least = BERT.run(&["--data", &text, "--prepare", &new, "--vocabulary", "256"]);
    assert!(refused(&least).contains("must be at least 257"));
}
