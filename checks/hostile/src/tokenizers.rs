//! `tokenizer.json` files, from anywhere.

use apollo_examples::text::corpus::Vocabulary;
use serde_json::{Value, json};

/// Tokenizers of every kind, as Python's `tokenizers` wrote them.
const REAL: &str = include_str!("../../../examples/shared/tests/data/tokens.json");

/// What goes in the place of a part of one.
const PARTS: &str = r###"[null, true, 0, 1, -1, 1e300, 4294967296, "", "a", "##", "aaaa", "[UNK]", "AAAA", "(a+)+$", [], {}, ["a", "b"],
    {"type": "Precompiled", "precompiled_charsmap": null}, {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
    {"type": "Replace", "pattern": {"String": ""}, "content": "a"}, {"type": "ByteLevel", "add_prefix_space": true,
    "trim_offsets": true, "use_regex": true}, {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": false},
    {"type": "Metaspace", "replacement": "a", "prepend_scheme": "always", "split": true}, {"type": "Lowercase"},
    {"type": "Strip", "strip_left": true, "strip_right": true}, {"type": "Prepend", "prepend": "a"}]"###;

const TEXT: &str = "to be or not to be, aaabbb\n日本 é \u{1f600} [MASK]s<|endoftext|> \t\u{0}";

/// Files as they are, where the first byte is 0, and else real ones of which parts are others: each is loaded, writes a text and
/// reads it. Says whether all of that can be done.
pub fn tokenizer(data: &[u8]) -> bool {
    let Some((kind, data)) = data.split_first() else { return false };
    let json = match kind {
        0 => String::from_utf8_lossy(data).into_owned(),
        kind => changed(*kind, data).to_string(),
    };
    let Ok(vocabulary) = Vocabulary::from_json(json) else { return false };
    let Ok(ids) = vocabulary.encode(TEXT) else { return false };
    assert!(ids.iter().all(|id| (*id as usize) < vocabulary.size()), "{ids:?}");
    let _ = vocabulary.decode(&[&ids[..], &[0, u32::MAX]].concat());
    vocabulary.decode(&ids).is_ok()
}

/// A real file with changes: each is a way down, and what goes there.
fn changed(kind: u8, changes: &[u8]) -> Value {
    let real: Value = serde_json::from_str(REAL).expect("it is JSON");
    let real = real["tokenizers"].as_array().expect("a list");
    let mut file = real[usize::from(kind) % real.len()]["tokenizer"].clone();
    let parts: Vec<Value> = serde_json::from_str(PARTS).expect("it is JSON");
    let mut bytes = changes.iter().copied().map(usize::from);
    while let Some(part) = bytes.next() {
        let mut at = &mut file;
        while let Some(next) = bytes.next().filter(|next| next % 8 != 0) {
            let parts = match &*at {
                Value::Array(list) => list.len(),
                Value::Object(map) => map.len(),
                _ => 0,
            };
            if parts == 0 {
                break;
            }
            at = within(at, next % parts);
        }
        *at = match (part % (parts.len() + 2), at.take()) {
            (n, _) if n < parts.len() => parts[n].clone(),
            (n, before) if n == parts.len() => json!([before.clone(), before]),
            (_, before) => {
                json!({"type": "Sequence", "normalizers": [before.clone()], "pretokenizers": [before]})
            }
        };
    }
    file
}

fn within(value: &mut Value, number: usize) -> &mut Value {
    match value {
        Value::Array(list) => &mut list[number],
        Value::Object(map) => map.values_mut().nth(number).expect("it is within the map"),
        other => other,
    }
}
