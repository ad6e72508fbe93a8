//! A user's `tokenizer.json`: the tokens that Python makes, what it does not know of a text, and files that are none.

use std::fs;

use apollo_examples::text::corpus::prepare::Choice;
use apollo_examples::text::corpus::{Corpus, Preparation, Vocabulary};

/// Tokens as Python's `tokenizers` makes them (`tests/python/tokens.py`), of every kind of tokenizer.
#[test]
fn tokens_are_those_of_python() {
    #[derive(serde::Deserialize)]
    struct Recorded {
        texts: Vec<String>,
        tokenizers: Vec<Tokenizer>,
    }
    #[derive(serde::Deserialize)]
    struct Tokenizer {
        name: String,
        tokenizer: serde_json::Value,
        ids: Vec<Vec<u32>>,
    }
    let recorded: Recorded = serde_json::from_str(include_str!("data/tokens.json")).unwrap();
    assert_eq!(recorded.tokenizers.len(), 4);
    for Tokenizer { name, tokenizer, ids } in recorded.tokenizers {
        let vocabulary = Vocabulary::from_json(tokenizer.to_string()).unwrap();
        for (text, ids) in recorded.texts.iter().zip(ids) {
            assert_eq!(vocabulary.encode(text).unwrap(), ids, "{name}: {text:?}");
        }
    }
}

/// What the tokens of a text do not tell is counted in bytes and in tokens, and too much of it is refused.
#[test]
fn what_a_tokenizer_does_not_know_is_told() {
    let tokenizer = |unknown: serde_json::Value, more: serde_json::Value| {
        let mut model = serde_json::json!({
            "type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "?": 3}, "merges": ["a b"], "unk_token": unknown,
        });
        model.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::json!({"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
            "post_processor": null, "decoder": null, "model": model})
    };
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let prepare = |tokenizer: &serde_json::Value, text: &str, allow_unknown: bool| {
        fs::write(at("text"), text).unwrap();
        fs::write(at("tokenizer.json"), tokenizer.to_string()).unwrap();
        let (data, choice) = (at("text"), Choice::Tokenizer(at("tokenizer.json")));
        let preparation = Preparation { data: &data, choice: &choice, special: &[], allow_unknown };
        preparation.write_to(&at("tokens"), true).map_err(|failure| failure.to_string())
    };
    let known = "ab".repeat(500);
    // Without a token for them, characters are dropped: 2 × 3 bytes of 1006, and most of a text.
    let drops = tokenizer(serde_json::Value::Null, serde_json::json!({}));
    prepare(&drops, &format!("{known}日本"), false).unwrap();
    let line = prepare(&drops, &format!("{}ab", "日本".repeat(9)), false).unwrap_err();
    assert!(line.contains("54 bytes are dropped without a token; such as \"日本"), "{line}");
    assert!(
        line.contains("tokenizer.json: does not know the text") && line.contains("--allow-unknown")
    );
    prepare(&drops, &format!("{}ab", "日本".repeat(9)), true).unwrap();
    // Those with a token: each its own, or one for a row of them, which the bytes tell.
    let told = |fused: bool| tokenizer("?".into(), serde_json::json!({"fuse_unk": fused}));
    let line = prepare(&told(false), "ab日ab日日", false).unwrap_err();
    assert!(
        line.contains(
            "60.0 % of the tokens are unknown, for 69.2 % of the bytes; 0 bytes are dropped"
        ),
        "{line}"
    );
    let line = prepare(&told(true), "ab日ab日日日日日", false).unwrap_err();
    assert!(line.contains("50.0 % of the tokens are unknown, for 81.8 % of the bytes"), "{line}");
    prepare(&told(false), &format!("{known}日"), false).unwrap();
}

/// What the library panics at, at once or at a text, is an error in one line.
#[test]
fn tokenizers_that_panic_are_errors() {
    let tokenizer = |normalizer: &str, model: &str| {
        format!(
            r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":{normalizer},
                "pre_tokenizer":null,"post_processor":null,"decoder":null,"model":{model}}}"#
        )
    };
    let words = r#"{"type":"WordLevel","vocab":{"a":0,"[UNK]":1},"unk_token":"[UNK]"}"#;
    let bpe = |prefix: &str, vocab: &str, merges: &str| {
        format!(
            r#"{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":{prefix},
                "end_of_word_suffix":null,"fuse_unk":false,"vocab":{vocab},"merges":{merges}}}"#
        )
    };
    for (json, text) in [
        (tokenizer(r#"{"type":"Precompiled","precompiled_charsmap":null}"#, words), "a"),
        (tokenizer(r#"{"type":"Precompiled","precompiled_charsmap":"AAAA"}"#, words), "a"),
        (tokenizer(r#"{"type":"Precompiled","precompiled_charsmap":"/////wAA"}"#, words), "a"),
        (
            tokenizer("null", &bpe("null", r#"{"aaa":0,"bbb":1,"c":2}"#, r#"[["aaa","bbb"]]"#)),
            "aaabbb",
        ),
        (tokenizer("null", &bpe("\"##\"", r#"{"a":0,"b":1,"ab":2}"#, r#"[["a","b"]]"#)), "ab"),
    ] {
        let asked = Vocabulary::from_json(json.clone()).and_then(|found| found.encode(text));
        let error = asked.expect_err(&json).to_string();
        assert!(error.contains("the tokenizers library fails with it: "), "{error}");
    }
    for json in ["", "{}", r#"{"model":{}}"#, r#"{"a":0,"b":1}"#] {
        assert!(Vocabulary::from_json(json.to_owned()).is_err(), "{json}");
    }
}

/// Nothing waits for a pipe, and a pointer of Git LFS is told from a text.
#[cfg(unix)]
#[test]
fn a_text_must_be_a_file_and_itself() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let pipe = at("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";
    fs::write(at("pointer"), pointer).unwrap();
    for (name, words) in [("pipe", "is not a regular file"), ("pointer", "git lfs pull")] {
        let data = at(name);
        let read = Corpus::read(&data, 8).map(drop).unwrap_err().to_string();
        let preparation = Preparation {
            data: &data,
            choice: &Choice::Learn(300),
            special: &[],
            allow_unknown: false,
        };
        let prepared = preparation.write_to(&at("tokens"), false).unwrap_err().to_string();
        let tokenizer = Vocabulary::read(&data).map(drop).unwrap_err().to_string();
        for line in [read, prepared, tokenizer] {
            assert!(line.contains(words) && line.contains(name), "{line}");
        }
    }
}
