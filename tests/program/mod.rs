//! The examples as a user runs them: programs with files.
#![allow(dead_code)] // every test binary uses a part of it

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An example's program. `cargo test` builds it first.
pub fn program(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(example);
    assert!(path.exists(), "run `cargo build --examples` first: {} is missing", path.display());
    path
}

pub fn run(example: &str, args: &[&str]) -> Output {
    Command::new(program(example)).args(args).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a program that succeeded printed.
pub fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The one line that a program printed that refused its input.
pub fn refused(output: &Output) -> String {
    let line = text(&output.stderr);
    assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
    line
}

pub fn read(dir: &Path, file: &str) -> String {
    let path = dir.join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The tensors of a finished model by name; parameter ids are random and differ between runs.
pub fn model(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(dir.join("model.bpk")).unwrap();
    let bytes = burn::tensor::Bytes::from_bytes_vec(bytes);
    let tensors = burn_pack::Reader::from_bytes(bytes).unwrap().into_tensors().unwrap();
    tensors
        .into_iter()
        .map(|t| {
            let (name, _, _, _, bytes) = t.into_parts().unwrap();
            (name, bytes.to_vec())
        })
        .collect()
}

/// Asserts that two runs are the same: every step, every validation, every bit of the model.
pub fn same_run(one: &Path, other: &Path, what: &str) {
    for file in ["steps.csv", "validation.csv", "config.json"] {
        assert_eq!(read(one, file), read(other, file), "{what}: {file}");
    }
    assert!(model(one) == model(other), "{what}: the model");
}
