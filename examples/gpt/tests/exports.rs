//! Exports of `gpt`, and runs that begin with one: what is in the folder stays or comes out as it came in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use apollo_examples_testing::{Program, ok, read, refused, table};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 30 steps with two growths.
const GPT: Program = Program {
    path: env!("CARGO_BIN_EXE_gpt"),
    tiny: "--recipe apollo --optimizer adamw --lr 0.002 --clip inf --layers 4 --width 16 --heads 2 --steps 30 --accumulate 1 --batch 2 --seq 8 --checkpoint-every 7",
};

/// A folder for runs and exports.
struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    /// A finished run, and its export.
    fn run_and_export(&self) {
        ok(&GPT.tiny(&self.at("run"), &[]));
        ok(&GPT.export(&self.at("run"), &self.name("model"), &[]));
    }
}

/// All files in a folder.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => files.extend(content(&entry)),
            false => drop(files.insert(entry.clone(), fs::read(&entry).unwrap())),
        }
    }
    files
}

/// No export takes the place of a run, and nothing goes without `--overwrite`: the folder is as before, to the last file.
#[test]
fn an_export_takes_a_new_folder_or_what_it_is_given() {
    let dir = Dir::new();
    dir.run_and_export();
    ok(&GPT.tiny(&dir.at("stopped"), &["--stop-after", "9"]));
    for (folder, file, text) in [
        ("stranger", "config.json", r#"{"name": "mine"}"#),
        ("notes", "notes.txt", "mine"),
        ("study", "compare.json", "{}"),
        ("empty/x", "", ""),
    ] {
        fs::create_dir_all(dir.at(folder)).unwrap();
        if !file.is_empty() {
            fs::write(dir.at(folder).join(file), text).unwrap();
        }
    }
    fs::remove_dir(dir.at("empty/x")).unwrap();
    let unchanged = |folder: &str, program: &dyn Fn() -> String, word: &str| {
        let before = content(&dir.at(folder));
        let line = program();
        assert!(line.contains(word) && line.contains(folder), "{folder}: {line}");
        assert!(content(&dir.at(folder)) == before, "{folder}: {line}");
    };
    let export = |to: &str, more: &[&str]| GPT.export(&dir.at("run"), &dir.name(to), more);
    for (folder, word) in [
        ("run", "holds a run"),
        ("run/.", "holds a run"),
        ("stopped", "holds a run"),
        ("study", "holds a study"),
    ] {
        for more in [&[][..], &["--overwrite"]] {
            unchanged(folder, &|| refused(&export(folder, more)), word);
        }
    }
    for (folder, word) in
        [("model", "holds a model"), ("stranger", "is not empty"), ("notes", "is not empty")]
    {
        unchanged(folder, &|| refused(&export(folder, &[])), word);
    }
    let run = |out: &str, more: &[&str]| GPT.tiny(&dir.at(out), more);
    for more in [&[][..], &["--resume"], &["--overwrite"]] {
        unchanged("model", &|| refused(&run("model", more)), "holds a model");
        unchanged("stranger", &|| refused(&run("stranger", more)), "that is no run's");
        unchanged("study", &|| refused(&run("study", more)), "holds a study");
    }
    let from = dir.name("model");
    unchanged(
        "model",
        &|| refused(&run("model", &["--init-from", &from, "--overwrite"])),
        "holds a model",
    );

    // A new folder, an empty one, and what is given.
    let files = content(&dir.at("model")).len();
    for (folder, more, others) in [
        ("new/within", &[][..], 0),
        ("empty", &[], 0),
        ("model", &["--overwrite"], 0),
        ("notes", &["--overwrite"], 1),
        ("stranger", &["--overwrite"], 0),
    ] {
        ok(&export(folder, more));
        assert_eq!(content(&dir.at(folder)).len(), files + others, "{folder}");
        ok(&GPT.tiny(&dir.at("again"), &["--init-from", &dir.name(folder), "--overwrite"]));
    }
    ok(&GPT.tiny(&dir.at("stopped"), &["--resume"]));
}

/// Files are readable as the user wants new files to be, and nothing is left of an export that was killed.
#[cfg(unix)]
#[test]
fn an_export_heeds_the_umask_and_removes_what_a_killed_one_left() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    let dir = Dir::new();
    ok(&GPT.tiny(&dir.at("run"), &[]));
    for (umask, mode) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
        let to = dir.at(umask);
        // As a kill may leave it.
        fs::create_dir_all(to.join(".exporting")).unwrap();
        fs::write(to.join(".exporting/model.safetensors.7-0.tmp"), "half").unwrap();
        let line = format!("umask {umask}; exec \"$0\" --out \"$1\" --export \"$2\"");
        let shell =
            Command::new("sh").args(["-c", &line, GPT.path]).arg(dir.at("run")).arg(&to).output();
        ok(&shell.unwrap());
        let files = content(&to);
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2, "{files:?}");
        for file in files.keys() {
            let found = fs::metadata(file).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{}: {found:o}", file.display());
        }
    }
}

/// The fields of a model's `config.json` come out as they came in, but those that say what the export is.
#[test]
fn a_configuration_comes_out_as_it_came_in() {
    let dir = Dir::new();
    dir.run_and_export();
    let mut config: Value = serde_json::from_str(&read(&dir.at("model"), "config.json")).unwrap();
    let others = json!({
        "n_inner": 64, "activation_function": "gelu_pytorch_tanh", "initializer_range": 0.05, "bos_token_id": 3,
        "eos_token_id": 4, "pad_token_id": 5, "summary_type": "mean", "use_cache": false, "dtype": "bfloat16",
        "reorder_and_upcast_attn": true, "id2label": {"0": "x"}, "_name_or_path": "mine", "architectures": ["GPT2Model"],
    });
    config.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    fs::write(dir.at("model/config.json"), config.to_string()).unwrap();
    ok(&GPT.tiny(&dir.at("second"), &["--init-from", &dir.name("model")]));
    // The folder is not needed any more.
    fs::remove_dir_all(dir.at("model")).unwrap();
    ok(&GPT.export(&dir.at("second"), &dir.name("out"), &[]));
    let found: Value = serde_json::from_str(&read(&dir.at("out"), "config.json")).unwrap();
    config["architectures"] = json!(["GPT2LMHeadModel"]);
    config["dtype"] = json!("float32");
    assert_eq!(found, config);
}

/// All of its layers, unless the command line says how to grow; what is dropped then is said.
#[test]
fn a_pretrained_model_keeps_its_layers() {
    let dir = Dir::new();
    dir.run_and_export();
    let from = dir.name("model");
    let begun = |name: &str, more: &[&str]| {
        let args = ["--init-from", &from, "--steps", "20", "--accumulate", "1", "--batch", "2"];
        let out = dir.name(name);
        let shown = ok(&GPT.run(&[&args[..], &["--out", &out], more].concat()));
        (shown, table(&dir.at(name), "steps.csv").1[0][2])
    };
    for (name, more) in
        [("all", &[][..]), ("preset", &["--preset", "gpt2"]), ("scratch", &["--from-scratch"])]
    {
        let (shown, layers) = begun(name, more);
        assert!(layers == 4.0 && !shown.contains("dropped"), "{name}: {shown}");
    }
    let (shown, layers) = begun("grown", &["--recipe", "apollo"]);
    let note = "note: the first stage keeps 1 of the 4 layers in ";
    assert!(layers == 1.0 && shown.contains(note), "{shown}");
    assert!(
        shown.contains("what layers 1 to 3 know is dropped; --from-scratch keeps all"),
        "{shown}"
    );
    let line = refused(&GPT.run(&["--init-from", &from, "--sampler", "uniform"]));
    assert!(line.contains("--sampler: is of no use here: all layers are there"), "{line}");
}

/// A model with more tokens than its text's vocabulary: how to go on is said before the text is made tokens.
#[test]
fn a_padded_vocabulary_goes_on() {
    let dir = Dir::new();
    ok(&GPT.tiny(&dir.at("run"), &["--pad-vocabulary", "320"]));
    ok(&GPT.export(&dir.at("run"), &dir.name("model"), &[]));
    let model = |name: &str| -> Value {
        serde_json::from_str(&read(&dir.at(name), "config.json")).unwrap()
    };
    assert_eq!(model("model")["vocab_size"], 320);
    let words = dir.name("words.json");
    fs::write(&words, apollo_examples_testing::sub_words::words()).unwrap();
    let run = |more: &[&str]| {
        let args = ["--init-from", &dir.name("model")];
        GPT.tiny(&dir.at("second"), &[&args[..], more].concat())
    };
    let line = refused(&run(&[]));
    assert!(line.contains("a model of 320 tokens, this one has 256; if the others are padding, --pad-vocabulary 320 goes on"), "{line}");
    let line = refused(&run(&["--vocabulary", &words]));
    assert!(line.contains("a model of 320 tokens, this one has 12"), "{line}");
    assert!(!dir.at("second").exists(), "before the text is made tokens");
    let line = refused(&run(&["--pad-vocabulary", "255"]));
    assert!(line.contains("--pad-vocabulary 255: must be at least the 256"), "{line}");
    ok(&run(&["--pad-vocabulary", "320"]));
    ok(&GPT.run(&["--out", &dir.name("second"), "--generate", "a", "--length", "20"]));
    ok(&GPT.export(&dir.at("second"), &dir.name("out"), &[]));
    assert_eq!(model("out"), model("model"));
}

/// A run of another program, one that is damaged and one that is not finished are told apart, in one line.
#[test]
fn a_run_that_cannot_be_used_is_told_for_what_it_is() {
    let dir = Dir::new();
    dir.run_and_export();
    ok(&GPT.tiny(&dir.at("stopped"), &["--stop-after", "9"]));
    ok(&GPT.tiny(&dir.at("wide"), &["--width", "32"]));
    let config = read(&dir.at("run"), "config.json");
    let change = |from: &str, to: &str| {
        assert!(config.contains(from), "{config}");
        fs::write(dir.at("run/config.json"), config.replace(from, to)).unwrap();
    };
    let line = |out: &str| {
        let lines = ["--generate", "--export"]
            .map(|what| refused(&GPT.run(&["--out", &dir.name(out), what, &dir.name("x")])));
        assert!(lines.iter().all(|line| line.len() < 400) && lines[0] == lines[1], "{lines:?}");
        lines[0].clone()
    };
    assert!(line("model").contains("holds a model in Hugging Face's layout"));
    assert!(line("stopped").contains("its run is not finished; --resume goes on with it"));
    change("\"model\": \"gpt\"", "\"model\": \"bert\"");
    assert!(line("run").contains("a run of bert, not of gpt"));
    let other = refused(&GPT.tiny(&dir.at("run"), &["--resume"]));
    assert!(other.contains("holds a run of bert, not of gpt"), "{other}");
    change("\"data_checksum\"", "\"images_checksum\"");
    assert!(line("run").contains("of another program's run: missing field `data_checksum`"));
    fs::write(dir.at("run/config.json"), &config).unwrap();
    fs::copy(dir.at("wide/model.bpk"), dir.at("run/model.bpk")).unwrap();
    assert!(line("run").contains("model.bpk: damaged, or of another run than config.json"));
}
