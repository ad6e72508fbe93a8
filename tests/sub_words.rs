//! `gpt` and `bert` on tokens that `--prepare` made: bytes, learned sub-words, a user's `tokenizer.json`. `cargo test`
//! builds the programs first.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::process::Command;

use program::{Program, ok, read, refused, same_run, summary};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 30 steps with two growths.
const GPT: Program = Program {
    name: "gpt",
    tiny: "--layers 4 --width 16 --heads 2 --steps 30 --batch 2 --seq 8 --checkpoint-every 7",
};
const BERT: Program = Program { name: "bert", ..GPT };

/// A folder with a text of some 50 kB.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let text = concat!(env!("CARGO_MANIFEST_DIR"), "/data/shakespeare.txt");
        fs::write(files.at("text"), &fs::read(text).unwrap()[..50_000]).unwrap();
        files
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    /// What `--prepare` prints.
    fn prepare(&self, program: &Program, to: &str, vocabulary: &str) -> String {
        let (data, to) = (self.name("text"), self.name(to));
        ok(&program.run(&["--data", &data, "--prepare", &to, "--vocabulary", vocabulary]))
    }
}

/// A tokenizer of whole words in lower case, as BERT's layout has it.
fn words() -> String {
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

fn config(dir: &Path) -> Value {
    serde_json::from_str(&read(dir, "config.json")).unwrap()
}

/// Prepared bytes are the text itself: the same run to the last bit, and it resumes with either.
#[test]
fn bytes_train_as_the_text_does() {
    for program in [&GPT, &BERT] {
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
        fs::copy(files.at("one").join("config.json"), files.at("other").join("config.json"))
            .unwrap();
        same_run(&files.at("one"), &files.at("other"), program.name);
    }
}

#[test]
fn learned_sub_words_train_resume_and_write_text() {
    for program in [&GPT, &BERT] {
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
        ok(&program.tiny(&run, &["--export", &files.name("exported")]));
        assert_eq!(saved, fs::read(files.at("exported").join("tokenizer.json")).unwrap());
        let mask = if program.name == "bert" { json!("[MASK]") } else { Value::Null };
        let tokenizer: Value =
            serde_json::from_str(&read(&files.at("exported"), "tokenizer_config.json")).unwrap();
        assert_eq!(tokenizer["tokenizer_class"], "PreTrainedTokenizerFast");
        assert_eq!(tokenizer["mask_token"], mask);
        let vocabulary = config(&files.at("exported"))["vocab_size"].as_u64().unwrap();
        assert_eq!((vocabulary, config(&run)["vocabulary"].as_u64()), (400, Some(400)));
    }
}

#[test]
fn a_run_writes_text_with_its_own_sub_words() {
    let files = Files::new();
    files.prepare(&GPT, "tokens", "400");
    let run = files.at("run");
    ok(&GPT.tiny(&run, &["--data", &files.name("tokens")]));
    for name in ["tokens", "tokens.tokenizer.json", "text"] {
        fs::remove_file(files.at(name)).unwrap();
    }
    let generate = |prompt: &str, more: &[&str]| {
        let args = ["--out", run.to_str().unwrap(), "--generate", prompt, "--length", "20"];
        GPT.run(&[&args[..], more].concat())
    };
    let text = ok(&generate("What is his\n name?", &[]));
    assert!(text.starts_with("What is his\n name?") && text.len() > 30, "{text}");
    assert_eq!(text, ok(&generate("What is his\n name?", &[])));
    assert_ne!(text, ok(&generate("What is his\n name?", &["--seed", "9"])));

    // Another tokenizer would give other text.
    fs::write(run.join("tokenizer.json"), words()).unwrap();
    let line = refused(&generate("a", &[]));
    assert!(line.contains("is not the tokenizer that the tokens were made with"), "{line}");
}

#[test]
fn a_users_tokenizer_gives_tokens_and_mask() {
    let files = Files::new();
    fs::write(files.at("words.json"), words()).unwrap();
    let printed = files.prepare(&BERT, "tokens", &files.name("words.json"));
    assert!(printed.contains("tokens of a vocabulary of 12"), "{printed}");
    // Its truncation to 4 tokens is for single inputs, not for a corpus.
    assert!(fs::metadata(files.at("tokens")).unwrap().len() > 5_000);
    for (program, vocabulary) in [(&GPT, 12), (&BERT, 12)] {
        let run = files.at(program.name);
        ok(&program.tiny(&run, &["--data", &files.name("tokens")]));
        ok(&program.tiny(&run, &["--export", &files.name("exported")]));
        assert_eq!(config(&files.at("exported"))["vocab_size"], vocabulary);
    }
    // A vocabulary without a mask has one more token in BERT.
    files.prepare(&GPT, "others", "300");
    ok(&BERT.tiny(&files.at("other"), &["--data", &files.name("others")]));
    ok(&BERT.tiny(&files.at("other"), &["--export", &files.name("exported")]));
    assert_eq!(config(&files.at("exported"))["vocab_size"], 301);
}

/// A folder that a model is exported to again holds nothing of the one before.
#[test]
fn an_export_replaces_another_models_sub_words() {
    let files = Files::new();
    files.prepare(&GPT, "tokens", "400");
    let folder = files.name("exported");
    for (data, there) in [("tokens", true), ("text", false)] {
        ok(&GPT.tiny(&files.at(data).with_extension("run"), &["--data", &files.name(data)]));
        ok(&GPT.tiny(&files.at(data).with_extension("run"), &["--export", &folder]));
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            assert_eq!(files.at("exported").join(file).exists(), there, "{data}: {file}");
        }
    }
    let line = refused(&GPT.tiny(&files.at("exported"), &["--overwrite"]));
    assert!(line.contains("holds a model in Hugging Face's layout"), "{line}");
}

/// Letters in lower case alone, without a token for others: the sample's prompt cannot be written.
#[test]
fn a_vocabulary_that_cannot_write_every_text_trains_on_its_own() {
    let files = Files::new();
    let vocab: serde_json::Map<_, _> =
        ('a'..='z').chain([' ']).enumerate().map(|(id, c)| (c.to_string(), json!(id))).collect();
    let model = json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                       "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                       "vocab": vocab, "merges": []});
    let tokenizer = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
                           "normalizer": null, "pre_tokenizer": null, "post_processor": null,
                           "decoder": null, "model": model});
    fs::write(files.at("letters.json"), tokenizer.to_string()).unwrap();
    files.prepare(&GPT, "tokens", &files.name("letters.json"));
    ok(&GPT.tiny(&files.at("run"), &["--data", &files.name("tokens")]));
    let prompt = GPT.run(&["--out", &files.name("run"), "--generate", "ROMEO"]);
    assert!(refused(&prompt).contains("no token of this run's vocabulary"));
}

/// Sub-words of a Hugging Face folder, to go on with its model.
#[test]
fn a_model_begins_with_its_own_sub_words() {
    let files = Files::new();
    files.prepare(&GPT, "tokens", "400");
    ok(&GPT.tiny(&files.at("run"), &["--data", &files.name("tokens")]));
    let folder = files.name("exported");
    ok(&GPT.tiny(&files.at("run"), &["--export", &folder]));
    files.prepare(&GPT, "again", &format!("{folder}/tokenizer.json"));
    assert_eq!(fs::read(files.at("tokens")).unwrap(), fs::read(files.at("again")).unwrap());
    let still = ["--steps", "1", "--lr", "0.000000001", "--from-scratch", "--init-from", &folder];
    ok(&GPT.tiny(&files.at("second"), &[&still[..], &["--data", &files.name("again")]].concat()));
    let loss = |name: &str| summary(&files.at(name))["val_loss"].as_f64().unwrap();
    assert!((loss("run") - loss("second")).abs() < 1e-5 * loss("run"));
    let line = refused(
        &GPT.tiny(&files.at("bytes"), &[&still[..], &["--data", &files.name("text")]].concat()),
    );
    assert!(line.contains("a model of 400 tokens, this one has 256"), "{line}");
}

/// Without `--prepare`, the tokens are made in the output folder: the same run, and the same tokens for its resume.
#[test]
fn one_command_learns_sub_words_and_trains() {
    for program in [&GPT, &BERT] {
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
        assert!(!program::text(&other.stdout).contains("learning"), "refused before it is learned");
        let second = ok(&run("400", &[]));
        assert!(!second.contains("learning"), "{second}");
        fs::copy(files.at("one").join("config.json"), files.at("other").join("config.json"))
            .unwrap();
        same_run(&files.at("one"), &files.at("other"), program.name);

        let line =
            refused(&program.tiny(&files.at("other"), &["--data", &text, "--vocabulary", "500"]));
        assert!(line.contains("already holds a run"), "{line}");
        let line =
            refused(&program.tiny(&files.at("new"), &["--data", &tokens, "--vocabulary", "500"]));
        assert!(line.contains("holds tokens already"), "{line}");
    }
}

#[test]
fn a_resumed_run_has_the_same_text_and_vocabulary() {
    let files = Files::new();
    files.prepare(&GPT, "tokens", "400");
    files.prepare(&GPT, "fewer", "300");
    let run = |data: &str, more: &[&str]| {
        GPT.tiny(&files.at("run"), &[&["--data", &files.name(data)], more].concat())
    };
    ok(&run("tokens", &["--stop-after", "9"]));
    for (data, more) in [
        ("fewer", &["--resume"][..]),
        ("text", &["--resume"]),
        ("tokens", &["--resume", "--order", "epochs"]),
    ] {
        let line = refused(&run(data, more));
        assert!(line.contains("holds a run with other options"), "{data}: {line}");
    }
    // The same tokens elsewhere.
    fs::rename(files.at("tokens"), files.at("moved")).unwrap();
    fs::rename(files.at("tokens.tokenizer.json"), files.at("moved.tokenizer.json")).unwrap();
    ok(&run("moved", &["--resume"]));
}

#[test]
fn sub_words_are_not_learned_from_the_validation_part() {
    let files = Files::new();
    let learned = |text: &[u8]| {
        fs::write(files.at("text"), text).unwrap();
        let to = files.name("tokens");
        let args = ["--data", &files.name("text"), "--vocabulary", "400", "--overwrite"];
        ok(&GPT.run(&[&args[..], &["--prepare", &to]].concat()));
        fs::read(files.at("tokens.tokenizer.json")).unwrap()
    };
    let text = fs::read(files.at("text")).unwrap();
    let changed = |from: usize| {
        let mut text = text.clone();
        text[from..].fill(b'z');
        text
    };
    assert!(learned(&text) == learned(&changed(47_500)));
    assert!(learned(&text) != learned(&changed(45_000)));
}

/// A text of 256 MiB (a sparse file) becomes tokens, and trains, where the process may have a fraction of that.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_text() {
    let files = Files::new();
    fs::File::create(files.at("large")).unwrap().set_len(1 << 28).unwrap();
    let (large, tokens, out) = (files.name("large"), files.name("tokens"), files.name("run"));
    let limited = |megabytes: u32, args: &[&str]| {
        let command = format!("ulimit -d {}; exec \"$0\" \"$@\"", 1000 * megabytes);
        let program = program::program("gpt");
        let mut bash = Command::new("bash");
        bash.env("RAYON_NUM_THREADS", "2"); // the stacks of threads count too
        bash.args(["-c", &command]).arg(program).args(args).output().unwrap()
    };
    let prepare = ["--data", &large, "--prepare", &tokens];
    assert!(!limited(1, &prepare).status.success(), "the limit holds");
    ok(&limited(60, &[&prepare[..], &["--overwrite"]].concat()));
    let tiny: Vec<&str> = GPT.tiny.split(' ').chain(["--out", &out]).collect();
    for data in [&tokens, &large] {
        ok(&limited(150, &[&tiny[..], &["--overwrite", "--data", data]].concat()));
    }
}

#[test]
fn what_is_not_text_is_counted() {
    let files = Files::new();
    let mut text = fs::read(files.at("text")).unwrap();
    (text[100], text[20_000]) = (0xff, 0xfe);
    fs::write(files.at("text"), text).unwrap();
    let printed = files.prepare(&GPT, "tokens", "400");
    assert!(printed.contains("2 bytes of the text are not UTF-8 and became U+FFFD"), "{printed}");
    assert!(!files.prepare(&GPT, "bytes", "bytes").contains("UTF-8"));
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let files = Files::new();
    files.prepare(&GPT, "tokens", "400");
    fs::write(files.at("broken.json"), "{\n\"model\": 1}").unwrap();
    fs::write(files.at("empty"), "").unwrap();
    let before = fs::read(files.at("tokens")).unwrap();
    let name = |name: &str| files.name(name);
    let (text, tokens, new) = (name("text"), name("tokens"), name("new"));
    let within = name("text/new");
    for (args, word) in [
        (vec!["--data", &text, "--prepare", &tokens], "exists; replace it with --overwrite"),
        (vec!["--data", &text, "--prepare", &text, "--overwrite"], "is --data itself"),
        (vec!["--data", &tokens, "--prepare", &new], "holds tokens already"),
        (vec!["--data", &name("none"), "--prepare", &new], "cannot be read"),
        (vec!["--data", &text, "--prepare", &name("")], "is a folder"),
        (vec!["--data", &text, "--vocabulary", "255"], "from 256 to 1048576"),
        (vec!["--data", &text, "--prepare", &new, "--vocabulary", "255"], "from 256 to 1048576"),
        (
            vec!["--data", &text, "--prepare", &new, "--vocabulary", &name("broken.json")],
            "no tokenizer",
        ),
        (
            vec!["--data", &text, "--prepare", &new, "--vocabulary", "8k"],
            "a number of sub-words or a",
        ),
        (vec!["--data", &name("empty"), "--prepare", &new], "is empty"),
        (vec!["--data", "/dev/null", "--prepare", &new], "is not a regular file"),
        (vec!["--data", &text, "--prepare", &within], "its folder cannot be made"),
        (vec!["--data", &text, "--prepare", &new, "--generate", "a"], "cannot be used with"),
        (vec!["--prepare", &new, "--export", &new], "cannot be used with"),
        (vec!["--data", &tokens, "--vocabulary", "bytes"], "holds tokens already"),
    ] {
        let line = refused(&GPT.run(&args));
        assert!(line.contains(word), "{args:?}: {line}");
        assert!(!files.at("new").exists(), "{args:?}");
    }
    assert_eq!(before, fs::read(&tokens).unwrap());

    let least = BERT.run(&["--data", &text, "--prepare", &new, "--vocabulary", "256"]);
    assert!(refused(&least).contains("must be at least 257"));
    // What is wrong is said before anything is learned.
    for wrong in
        [["--heads", "3"], ["--device", "abacus"], ["--min-lr", "0.5"], ["--schedule", &new]]
    {
        let line = GPT.tiny(
            &files.at("new"),
            &[&["--data", &text, "--vocabulary", "300"], &wrong[..]].concat(),
        );
        assert!(refused(&line).contains(wrong[0]) && !files.at("new").exists(), "{wrong:?}");
    }

    let refuses = |data: &str, word: &str| GPT.refuses(&[(&["--data", data], word)]);
    refuses(&name("empty"), "0 bytes are too few");
    fs::write(&tokens, &before[..before.len() - 1]).unwrap();
    refuses(&tokens, "must have");
    fs::write(&tokens, &before).unwrap();
    fs::write(files.at("tokens.tokenizer.json"), words()).unwrap();
    refuses(&tokens, "is not the tokenizer that the tokens were made with");
    fs::remove_file(files.at("tokens.tokenizer.json")).unwrap();
    refuses(&tokens, "tokens.tokenizer.json: no tokenizer");
}
