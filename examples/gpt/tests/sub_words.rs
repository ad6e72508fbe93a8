//! `gpt` on tokens that `--prepare` made: bytes, learned sub-words, a user's `tokenizer.json`.

use std::fs;
#[cfg(target_os = "linux")]
use std::process::Command;

use apollo_examples_testing::sub_words::{self, Files, words};
use apollo_examples_testing::{Program, ok, refused, summary};
use serde_json::{Value, json};

/// 30 steps with two growths.
const GPT: Program = Program {
    path: env!("CARGO_BIN_EXE_gpt"),
    tiny: "--recipe apollo --optimizer adamw --lr 0.002 --clip inf --layers 4 --width 16 --heads 2 --steps 30 --accumulate 1 --batch 2 --seq 8 --checkpoint-every 7",
};

#[test]
fn bytes_train_as_the_text_does() {
    sub_words::bytes_train_as_the_text_does(&GPT);
}

#[test]
fn learned_sub_words_train_resume_and_write_text() {
    sub_words::learned_sub_words_train_resume_and_write_text(&GPT, Value::Null);
}

#[test]
fn a_users_tokenizer_gives_tokens() {
    sub_words::a_users_tokenizer_gives_tokens(&GPT, 12);
}

#[test]
fn one_command_learns_sub_words_and_trains() {
    sub_words::one_command_learns_sub_words_and_trains(&GPT);
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

/// A folder that a model is exported to again holds nothing of the one before.
#[test]
fn an_export_replaces_another_models_sub_words() {
    let files = Files::new();
    files.prepare(&GPT, "tokens", "400");
    let folder = files.name("exported");
    for (data, there) in [("tokens", true), ("text", false)] {
        ok(&GPT.tiny(&files.at(data).with_extension("run"), &["--data", &files.name(data)]));
        ok(&GPT.export(&files.at(data).with_extension("run"), &folder, &["--overwrite"]));
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
    ok(&GPT.export(&files.at("run"), &folder, &[]));
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
        let mut bash = Command::new("bash");
        bash.env("RAYON_NUM_THREADS", "2"); // the stacks of threads count too
        bash.current_dir(std::env::temp_dir())
            .args(["-c", &command])
            .arg(GPT.path)
            .args(args)
            .output()
            .unwrap()
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
        (
            vec!["--data", &text, "--prepare", &name("broken.json"), "--overwrite"],
            "is no file of tokens",
        ),
        (
            vec!["--data", &text, "--prepare", &new, "--vocabulary", &name("")],
            "is a folder; name the tokenizer.json",
        ),
        (
            vec!["--data", &text, "--prepare", &new, "--vocabulary", &text],
            "save_pretrained(DIR) writes a tokenizer.json",
        ),
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
        (vec!["--data", &text, "--prepare", &new, "--generate", "a"], "--generate takes the run"),
        (vec!["--prepare", &new, "--export", &new], "--export writes the run"),
        (vec!["--data", &tokens, "--vocabulary", "bytes"], "holds tokens already"),
    ] {
        let line = refused(&GPT.run(&args));
        assert!(line.contains(word), "{args:?}: {line}");
        assert!(!files.at("new").exists(), "{args:?}");
    }
    assert_eq!(before, fs::read(&tokens).unwrap());

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
