use std::path::Path;
use std::process::{Command, Output};

/// An example's program, with options for a run that is small enough for a test: 30 steps.
pub struct Program {
    /// Where it lies: `env!("CARGO_BIN_EXE_…")`, which `cargo test` builds first.
    pub path: &'static str,
    pub tiny: &'static str,
}

impl Program {
    /// A tiny run into `out`, not started yet: in the folder of the system's temporary files.
    pub fn command(&self, out: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(self.path);
        command.current_dir(std::env::temp_dir());
        command.args(self.tiny.split_whitespace()).arg("--out").arg(out).args(more);
        command
    }

    /// Runs it with these options in a folder that is empty, into one that is empty if they name none and it needs one.
    pub fn run(&self, args: &[&str]) -> Output {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(self.path);
        if !["--prepare", "--report"].iter().any(|alone| args.contains(alone)) {
            command.arg("--out").arg(dir.path().join("out"));
        }
        command.current_dir(dir.path()).args(args).output().unwrap()
    }

    /// Exports the run in `out`.
    pub fn export(&self, out: &Path, to: &str, more: &[&str]) -> Output {
        self.run(&[&["--out", out.to_str().unwrap(), "--export", to], more].concat())
    }

    /// A tiny run into `out`.
    pub fn tiny(&self, out: &Path, more: &[&str]) -> Output {
        self.command(out, more).output().unwrap()
    }

    /// A run that is stopped at some steps and resumed leaves the files and the model of one that is not.
    pub fn resumes_exactly(&self, more: &[&str]) {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        ok(&self.tiny(whole.path(), more));
        // Stopped inside a stage, just before a growth, at one, and beside a checkpoint.
        for stop in ["2", "3", "4", "8", "14", "20"] {
            let args = [more, &["--resume", "--stop-after", stop]].concat();
            assert!(ok(&self.tiny(parts.path(), &args)).contains("stopped"));
        }
        ok(&self.tiny(parts.path(), &[more, &["--resume"]].concat()));
        for file in ["steps.csv", "config.json"] {
            assert_eq!(read(whole.path(), file), read(parts.path(), file), "{more:?}: {file}");
        }
        assert!(model(whole.path()) == model(parts.path()), "{more:?}: the model");
    }

    /// A finished run's model goes into a Hugging Face folder and out of it again, and scores as before; what does not
    /// fit is refused.
    pub fn begins_where_an_export_ended(&self) {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let folder = at("exported").to_str().unwrap().to_owned();
        let line = refused(&self.export(&at("first"), &folder, &[]));
        assert!(line.contains("holds no run"), "{line}");
        ok(&self.tiny(&at("first"), &[]));
        assert!(ok(&self.export(&at("first"), &folder, &[])).contains("written: "));

        let still =
            ["--init-from", &folder, "--steps", "1", "--lr", "0.000000001", "--from-scratch"];
        ok(&self.tiny(&at("second"), &still));
        let loss = |name: &str| summary(&at(name))["val_loss"].as_f64().unwrap();
        let (first, second) = (loss("first"), loss("second"));
        assert!((first - second).abs() < 1e-5 * first, "{first} against {second}");
        assert!(
            ok(&self.tiny(&at("second"), &[&still[..], &["--resume"]].concat()))
                .contains("finished")
        );

        for (more, word) in [
            (&["--init-from", &folder, "--width", "32"][..], "needs --layers 4 --width 16"),
            (&["--init-from", "/no/such/folder"], "/no/such/folder"),
        ] {
            let line = refused(&self.tiny(&at("third"), more));
            assert!(line.contains(word), "{line}");
        }
    }

    /// The long options that `--help` shows, beside these arguments, are those of the list, one a line with its value: a
    /// change of the list is a change for users.
    pub fn has_options(&self, args: &[&str], list: &str) {
        let help = ok(&Command::new(self.path).args(args).arg("--help").output().unwrap());
        let shown: Vec<&str> = help.lines().filter_map(option).collect();
        let listed: Vec<&str> = list.lines().collect();
        let built_in = env!("CARGO_MANIFEST_DIR").trim_end_matches("examples/testing");
        assert!(!help.contains(built_in), "a path of the machine that built it: {help}");
        assert_eq!(shown, listed, "the options changed: {}", shown.join("\n"));
    }

    /// Each command line ends with exit code 2 and one line that holds the word, before any training.
    pub fn refuses(&self, cases: &[(&[&str], &str)]) {
        let dir = tempfile::tempdir().unwrap();
        for (args, word) in cases {
            let out = dir.path().join("untouched");
            let line = refused(&match args.contains(&"--out") {
                true => self.run(args),
                false => self.tiny(&out, args),
            });
            assert!(line.contains(word), "{args:?}: {line}");
            assert!(!out.join("steps.csv").exists(), "{args:?}: training began");
        }
    }
}

/// The option that a line of a help text is about, with its value.
fn option(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let long = match line.get(2..4) {
        Some(", ") => &line[4..],
        _ => line,
    };
    long.starts_with("--").then(|| long.split("  ").next().unwrap_or(long).trim_end())
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

pub fn summary(dir: &Path) -> serde_json::Value {
    serde_json::from_str(&read(dir, "summary.json")).unwrap()
}

/// A CSV file of numbers: its columns' names and its rows.
pub fn table(dir: &Path, file: &str) -> (String, Vec<Vec<f64>>) {
    let csv = read(dir, file);
    let mut lines = csv.lines();
    let names = lines.next().unwrap_or_default().to_owned();
    (names, lines.map(|l| l.split(',').map(|x| x.parse().unwrap()).collect()).collect())
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
