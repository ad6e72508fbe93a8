//! Scenarios for programs that learn a text: on tokens that `--prepare` made, on sub-words, on a user's
//! `tokenizer.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Program, SHAKESPEARE, ok, read, refused, same_run};

/// A folder with a text of some 50 kB.
pub struct Files(TempDir);

impl Files {
    #[expect(clippy::new_without_default)] // it makes files
    pub fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        fs::write(files.at("text"), &fs::read(SHAKESPEARE).unwrap()[..50_000]).unwrap();
        files
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn name(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    /// What `--prepare` prints.
    pub fn prepare(&self, program: &Program, to: &str, vocabulary: &str) -> String {
        let (data, to) = (self.name("text"), self.name(to));
        ok(&program.run(&["--data", &data, "--prepare", &to, "--vocabulary", vocabulary]))
    }
}

/// A tokenizer of whole words in lower case, as BERT's layout has it.
pub fn words() -> String {
    let mut vocab = serde_json::Map::new();
    for word in ["[UNK]", "[MASK]", "the", "and", "i", "to", "of", "you", "##s", "s", ",", "."] {
        vocab.insert(word.to_owned(), json!(vocab.len()));
    }
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    let normalizer = json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                            "strip_accents": null, "lowercase": true});
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": [special(0, "[UNK]"), special(1, "[MASK]")],
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocab}
    })
    .to_string()
}

pub fn config(dir: &Path) -> Value {
    serde_json::from_str(&read(dir, "config.json")).unwrap()
}

/// Prepared bytes are the text itself: the same run to the last bit, and it resumes with either.
pub fn bytes_train_as_the_text_does(program: &Program) {
    let files = Files::new();
    let printed = files.prepare(program, "tokens", "bytes");
    assert!(
        printed.contains("50000 bytes of text as 50000 tokens of a vocabulary of 256"),
        "{printed}"
    );
    let (text, tokens) = (files.name("text"), files.name("tokens"));
    ok(&program.tiny(&files.at("one"), &["--data", &text]));
    ok(&program.tiny(&files.at("other"), &["--data", &tokens, "--stop-after", "9"]));
    ok(&program.tiny(&files.at("other"), &["--data", &text, "--resume"]));
    let (one, other) = (config(&files.at("one")), config(&files.at("other")));
    assert_eq!(one["data_checksum"], other["data_checksum"]);
    fs::copy(files.at("one").join("config.json"), files.at("other").join("config.json")).unwrap();
    same_run(&files.at("one"), &files.at("other"), "bytes");
}

/// `mask` is the mask's name that an export tells.
pub fn learned_sub_words_train_resume_and_write_text(program: &Program, mask: Value) {
    let files = Files::new();
    files.prepare(program, "tokens", "400");
    let (tokens, run) = (files.name("tokens"), files.at("run"));
    let printed = ok(&program.tiny(&run, &["--data", &tokens]));
    assert!(
        printed.contains("token of ") && printed.contains("the best unigram model"),
        "{printed}"
    );
    program.resumes_exactly(&["--data", &tokens]);
    program.resumes_exactly(&["--data", &tokens, "--order", "epochs"]);

    let saved = fs::read(run.join("tokenizer.json")).unwrap();
    assert_eq!(saved, fs::read(files.at("tokens.tokenizer.json")).unwrap());
    ok(&program.export(&run, &files.name("exported"), &[]));
    assert_eq!(saved, fs::read(files.at("exported").join("tokenizer.json")).unwrap());
    let tokenizer: Value =
        serde_json::from_str(&read(&files.at("exported"), "tokenizer_config.json")).unwrap();
    assert_eq!(tokenizer["tokenizer_class"], "PreTrainedTokenizerFast");
    assert_eq!(tokenizer["mask_token"], mask);
    let vocabulary = config(&files.at("exported"))["vocab_size"].as_u64().unwrap();
    assert_eq!((vocabulary, config(&run)["vocabulary"].as_u64()), (400, Some(400)));
}

/// Trains on the tokens of [`words`] in `files`, by a model of so many tokens.
pub fn a_users_tokenizer_gives_tokens(program: &Program, vocabulary: u64) {
    let files = Files::new();
    fs::write(files.at("words.json"), words()).unwrap();
    let (text, words) = (files.name("text"), files.name("words.json"));
    let prepare = |more: &[&str]| {
        let args = ["--data", &text, "--prepare", &files.name("tokens"), "--vocabulary", &words];
        program.run(&[&args[..], more].concat())
    };
    // It knows a handful of words.
    let line = refused(&prepare(&[]));
    assert!(
        line.contains("words.json: does not know the text") && line.contains("--allow-unknown"),
        "{line}"
    );
    assert!(!files.at("tokens").exists(), "refused before it is written");
    let printed = ok(&prepare(&["--allow-unknown"]));
    assert!(printed.contains("tokens of a vocabulary of 12"), "{printed}");
    assert!(printed.contains("note: ") && printed.contains("such as \"AS\""), "{printed}");
    // Its truncation to 4 tokens is for single inputs, not for a corpus.
    assert!(fs::metadata(files.at("tokens")).unwrap().len() > 5_000);
    ok(&program.tiny(&files.at("run"), &["--data", &files.name("tokens")]));
    ok(&program.export(&files.at("run"), &files.name("exported"), &[]));
    assert_eq!(config(&files.at("exported"))["vocab_size"], vocabulary);
}

/// Without `--prepare`, the tokens are made in the output folder: the same run, and the same tokens for its resume.
pub fn one_command_learns_sub_words_and_trains(program: &Program) {
    let files = Files::new();
    files.prepare(program, "tokens", "400");
    let (text, tokens) = (files.name("text"), files.name("tokens"));
    ok(&program.tiny(&files.at("one"), &["--data", &tokens]));
    let run = |size: &str, more: &[&str]| {
        let args = ["--data", &text, "--vocabulary", size, "--resume"];
        program.tiny(&files.at("other"), &[&args[..], more].concat())
    };
    let first = ok(&run("400", &["--stop-after", "9"]));
    assert!(first.contains("learning 400 sub-words"), "{first}");
    let other = run("300", &[]);
    assert!(refused(&other).contains("holds a run with other options"));
    assert!(!crate::text(&other.stdout).contains("learning"), "refused before it is learned");
    let second = ok(&run("400", &[]));
    assert!(!second.contains("learning"), "{second}");
    fs::copy(files.at("one").join("config.json"), files.at("other").join("config.json")).unwrap();
    same_run(&files.at("one"), &files.at("other"), "sub-words");

    let line =
        refused(&program.tiny(&files.at("other"), &["--data", &text, "--vocabulary", "500"]));
    assert!(line.contains("already holds a run"), "{line}");
    let line =
        refused(&program.tiny(&files.at("new"), &["--data", &tokens, "--vocabulary", "500"]));
    assert!(line.contains("holds tokens already"), "{line}");
}
