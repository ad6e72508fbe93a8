//! `gpt` as a user runs it: a program with files.

use std::path::Path;
use std::process::Output;

use apollo_examples_testing::{Program, SHAKESPEARE, ok, read, refused, summary, table};

/// 30 steps with two growths.
const GPT: Program = Program {
    path: env!("CARGO_BIN_EXE_gpt"),
    tiny: "--recipe apollo --optimizer adamw --lr 0.002 --clip inf --layers 4 --width 16 --heads 2 --steps 30 --accumulate 1 --batch 2 --seq 8 --checkpoint-every 7",
};

fn gpt(args: &[&str]) -> Output {
    GPT.run(args)
}

fn tiny(out: &Path, more: &[&str]) -> Output {
    GPT.tiny(out, more)
}

#[test]
fn a_run_writes_its_results_and_generates() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&tiny(dir.path(), &[]));
    assert!(shown.contains("validation loss") && shown.contains("ROMEO:"), "{shown}");
    assert!(shown.contains("layers 1 → 2") && shown.contains("layers 2 → 4"), "{shown}");

    let (names, rows) = table(dir.path(), "steps.csv");
    assert_eq!(names, "step,stage,unique_layers,virtual_depth,lr,train_loss,items");
    assert_eq!(rows.len(), 30);
    for (step, row) in rows.iter().enumerate() {
        let [number, stage, unique, depth, lr, loss, tokens] = row[..] else { panic!("{row:?}") };
        assert_eq!((number, tokens), (step as f64, 16.0));
        assert!(unique <= depth && depth <= 4.0 && lr > 0.0 && loss.is_finite());
        let expected = [(0, 1.0), (3, 2.0), (8, 4.0)].iter().rposition(|(first, _)| step >= *first);
        assert_eq!(stage, expected.unwrap() as f64, "step {step}");
    }

    let summary = summary(dir.path());
    assert_eq!(summary["config"]["layers"], 4);
    let growths = serde_json::json!([
        {"step": 3, "from": 1, "to": 2}, {"step": 8, "from": 2, "to": 4}
    ]);
    assert_eq!(summary["growths"], growths);
    assert!(summary["val_loss"].as_f64().unwrap() > 0.0);
    assert!(summary["items_per_second"].as_f64().unwrap() > 0.0);

    let out = dir.path().to_str().unwrap();
    let generate = |seed: &str| {
        ok(&gpt(&["--out", out, "--generate", "HAMLET.", "--length", "40", "--seed", seed]))
    };
    assert!(generate("1").starts_with("HAMLET."));
    assert_eq!(generate("1"), generate("1"));
    assert_ne!(generate("1"), generate("2"));
}

#[test]
fn equal_runs_give_equal_files_and_resumed_ones_too() {
    for more in
        [&[][..], &["--policy", "plateau"], &["--sampler", "uniform", "--expander", "stacking"]]
    {
        GPT.resumes_exactly(more);
    }
}

#[test]
fn a_run_begins_where_an_export_ended() {
    GPT.begins_where_an_export_ended();
}

#[test]
fn schedules_come_from_files_and_the_baseline_never_grows() {
    let dir = tempfile::tempdir().unwrap();
    let schedule = dir.path().join("schedule.toml");
    std::fs::write(
        &schedule,
        "[[stages]]\nlayers = 0\nuntil = { step = 10 }\n[[stages]]\nlayers = 4\n",
    )
    .unwrap();
    let out = dir.path().join("run");
    let shown = ok(&tiny(&out, &["--schedule", schedule.to_str().unwrap()]));
    assert!(shown.contains("layers 0 → 4: new"), "{shown}");
    assert!(read(&out, "steps.csv").contains("\n9,0,0,0,"));

    let out = dir.path().join("scratch");
    ok(&tiny(&out, &["--from-scratch"]));
    assert!(read(&out, "steps.csv").lines().skip(1).all(|l| l.contains(",0,4,4,")));
}

#[test]
fn bad_input_is_one_line_and_exit_code_2_before_any_training() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (empty, short) = (file("empty.txt", ""), file("short.txt", "To be, or not to be"));
    let gap = file("gap.toml", "[[stages]]\nlayers = 2\n[[stages]]\nlayers = 4\n");
    let typo = file("typo.toml", "[[stages]]\nlayer = 2\n");
    let deep = file("deep.json", r#"{"stages": [{"layers": 9}]}"#);
    let in_file = file("file", "") + "/run";
    let cases: &[(&[&str], &str)] = &[
        (&["--data", "/no/such/file"], "/no/such/file"),
        (&["--data", &empty], "too few"),
        (&["--data", &short], "too few"),
        (&["--steps", "0"], "--steps"),
        (&["--steps", "-5"], "-5"),
        (&["--steps", "many"], "--steps"),
        (&["--steps", "2"], "`stages[1].until`"),
        (&["--layers", "0"], "--layers"),
        (&["--layers", "4000000000"], "--layers"),
        (&["--width", "0"], "--width"),
        (&["--width", "15"], "--width 15"),
        (&["--batch", "0"], "--batch"),
        (&["--seq", "1"], "--seq"),
        (&["--lr", "0"], "--lr"),
        (&["--lr", "nan"], "--lr"),
        (&["--lr", "-1"], "-1"),
        (&["--lr", "1e300"], "--lr"),
        (&["--policy", "magic"], "--policy"),
        (&["--sampler", "gauss"], "--sampler"),
        (&["--device", "abacus"], "abacus"),
        (&["--device", "rocm"], "feature `rocm`"),
        (&["--schedule", "/no/such/file"], "--schedule"),
        (&["--schedule", &gap], "`stages[0].until`"),
        (&["--schedule", &typo], "layer"),
        (&["--schedule", &deep], "`stages[0].layers`"),
        (&["--out", &in_file], "--out"),
        (&["--out", "/proc/none"], "--out"),
        (&["--frobnicate"], "--frobnicate"),
    ];
    GPT.refuses(cases);
    assert!(refused(&gpt(&["--generate", "x"])).contains("holds no run"));
}

#[test]
fn an_existing_run_is_never_lost_by_accident() {
    let dir = tempfile::tempdir().unwrap();
    ok(&tiny(dir.path(), &[]));
    let before = read(dir.path(), "steps.csv");
    let refused_here = |more: &[&str], words: &str| {
        let line = refused(&tiny(dir.path(), more));
        assert!(line.contains(words), "{line}");
        assert_eq!(read(dir.path(), "steps.csv"), before);
    };
    refused_here(&[], "--resume");
    let other = |more: &[&str], words: &str| {
        let words = format!("holds a run with other options: {words}");
        refused_here(&[&["--resume"], more].concat(), &words);
    };
    other(&["--seed", "9"], "--seed: 42 there, 9 here");
    other(&["--moments", "reset"], "--moments or --recipe: scaled there, reset here");
    other(&["--clip", "0.5"], "--clip: not given there, 0.5 here");
    other(
        &["--lr", "0.001", "--batch", "3"],
        "--batch: 2 there, 3 here; --lr: 0.002 there, 0.001 here",
    );
    other(&["--min-lr", "0"], "--lr-shape, --warm-up, --decay or --min-lr: ");
    other(
        &["--steps", "40"],
        "--steps: 30 there, 40 here; growths and learning rate follow from a run's length",
    );
    let other_text = dir.path().join("other.txt");
    std::fs::write(&other_text, "Words, words, words. ".repeat(100)).unwrap();
    other(&["--data", other_text.to_str().unwrap()], "another text, --data: ");
    let summary = read(dir.path(), "summary.json");
    assert!(ok(&tiny(dir.path(), &["--resume"])).contains("is finished"));
    assert_eq!(read(dir.path(), "summary.json"), summary, "a finished run stays as it is");
    // The same text in another place is the same run.
    let copy = dir.path().join("copy.txt");
    std::fs::copy(SHAKESPEARE, &copy).unwrap();
    ok(&tiny(dir.path(), &["--resume", "--data", copy.to_str().unwrap()]));

    // Checkpoints without their configuration are not cleared either.
    let config = dir.path().join("config.json");
    let kept = std::fs::read(&config).unwrap();
    std::fs::remove_file(&config).unwrap();
    refused_here(&[], "holds checkpoints of a run, but not its config.json");
    refused_here(&["--resume"], "holds checkpoints of a run, but not its config.json");
    std::fs::write(&config, kept).unwrap();

    let half = "checkpoints/.writing-000099-step-9"; // as a crash may leave it
    std::fs::create_dir(dir.path().join(half)).unwrap();
    ok(&tiny(dir.path(), &["--overwrite", "--seed", "9", "--stop-after", "3"]));
    let old = "checkpoints/000005-step-30";
    for gone in [half, old, "model.bpk", "summary.json"] {
        assert!(!dir.path().join(gone).exists(), "{gone} is of the run before");
    }
    ok(&tiny(dir.path(), &["--overwrite", "--seed", "9"]));
    assert_ne!(read(dir.path(), "steps.csv"), before);
}

/// The main job, as the README starts it.
#[test]
#[ignore = "trains the default model, half a minute and more"]
fn the_default_run_beats_the_bigram_model_and_training_from_scratch_at_equal_flops() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&gpt(&["--out", dir.path().to_str().unwrap()]));
    println!("{shown}");
    let summary = summary(dir.path());
    let number = |key: &str| summary[key].as_f64().unwrap();
    assert!(number("val_loss") < 0.9 * summary["baseline"]["value"].as_f64().unwrap(), "{summary}");
    assert_eq!(summary["growths"].as_array().unwrap().len(), 1);

    let steps = 2000.0 * number("operations") / number("operations_from_scratch");
    let steps = (steps.ceil() as u64).to_string();
    let scratch = tempfile::tempdir().unwrap();
    ok(&gpt(&["--from-scratch", "--steps", &steps, "--out", scratch.path().to_str().unwrap()]));
    let scratch = self::summary(scratch.path());
    assert!(number("operations") <= scratch["operations"].as_f64().unwrap());
    assert!(
        number("val_loss") < scratch["val_loss"].as_f64().unwrap() - 0.05,
        "{summary} {scratch}"
    );
}

#[test]
fn the_options_are_those_of_the_list() {
    GPT.has_options(&[], include_str!("data/options.txt"));
}

/// A plan from a file is the run's, whole; its schedule is checked, and options beside it are refused.
#[test]
fn a_plan_comes_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plan = file(
        "plan.toml",
        "steps = 20\nseed = 5\nsampler = \"constant_low\"\nexpander = \"stacking\"\n\
         lr = { warmup_stable_decay = { warm_up = 0.1, decay = 0.5 } }\n\
         [[schedule.stages]]\nlayers = 2\nuntil = { step = 7 }\n[[schedule.stages]]\nlayers = 4\n",
    );
    let small = "--layers 4 --width 16 --heads 2 --seq 8 --batch 2 --lr 0.01";
    let run = |out: &str, more: &[&str]| {
        let out = dir.path().join(out);
        let args: Vec<&str> = small.split(' ').chain(["--out", out.to_str().unwrap()]).collect();
        GPT.run(&[&args[..], more].concat())
    };
    ok(&run("run", &["--plan", &plan]));
    let (_, rows) = table(&dir.path().join("run"), "steps.csv");
    let layers: Vec<f64> = rows.iter().map(|row| row[2]).collect();
    assert_eq!(layers, [[2.0; 7].as_slice(), &[4.0; 13]].concat());
    // Two steps of warm-up, eight at the peak, ten down to nothing.
    assert_eq!(rows[2..10].iter().map(|row| row[4]).collect::<Vec<_>>(), [0.01; 8]);
    assert!(rows[19][4] < 0.0011 && rows[1][4] < 0.01, "{rows:?}");
    ok(&run("run", &["--plan", &plan, "--resume"]));

    let custom = file("custom.toml", "steps = 20\npolicy = { custom = { name = \"mine\" } }\n");
    let wrong = file("wrong.toml", "steps = 20\nsampler = \"dice\"\n");
    for (more, words) in [
        (&["--plan", &plan, "--steps", "9"][..], "--steps"),
        (&["--plan", &plan, "--sampler", "uniform"], "--sampler"),
        (&["--plan", &custom], "\"mine\""),
        (&["--plan", &wrong], "\"dice\""),
        (&["--plan", "/no/such/plan.toml"], "/no/such/plan.toml"),
    ] {
        let line = refused(&run("refused", more));
        assert!(line.contains(words), "{more:?}: {line}");
    }
}

/// The learning rate has a shape, and its end is an option of every shape.
#[test]
fn the_learning_rate_takes_every_shape() {
    let dir = tempfile::tempdir().unwrap();
    let rates = |name: &str, more: &[&str]| -> Vec<f64> {
        let out = dir.path().join(name);
        ok(&GPT.tiny(&out, more));
        table(&out, "steps.csv").1.into_iter().map(|row| row[4]).collect()
    };
    let constant = rates("constant", &["--lr-shape", "constant"]);
    assert!(constant.iter().all(|rate| *rate == constant[0]));
    let shape = ["--lr-shape", "warmup-stable-decay", "--warm-up", "0.1", "--decay", "0.5"];
    let decay = rates("decay", &shape);
    assert!(decay[3..15].iter().all(|rate| *rate == constant[0]), "{decay:?}");
    assert!(decay[29] < 0.1 * constant[0] && decay[0] < 0.1 * constant[0]);
    let cosine = rates("cosine", &[]);
    assert!(cosine[29] > 0.1 * constant[0] && cosine[29] < 0.12 * constant[0], "{cosine:?}");
    let line = refused(&GPT.tiny(&dir.path().join("wrong"), &["--min-lr", "1"]));
    assert!(line.contains("--min-lr"), "{line}");
    let line = refused(&GPT.tiny(
        &dir.path().join("wrong"),
        &["--lr-shape", "warmup-stable-decay", "--warm-up", "0.9", "--decay", "0.9"],
    ));
    assert!(line.contains("decay"), "{line}");
}

/// Muon's state and AdamW's go through growths and stops, gradients shortened or not.
#[test]
fn every_optimizer_resumes_exactly() {
    GPT.resumes_exactly(&["--optimizer", "muon", "--clip", "0.5"]);
    GPT.resumes_exactly(&["--clip", "0.1"]);
    let dir = tempfile::tempdir().unwrap();
    let losses = |name: &str, more: &[&str]| -> Vec<f64> {
        let out = dir.path().join(name);
        ok(&GPT.tiny(&out, more));
        table(&out, "steps.csv").1.into_iter().map(|row| row[5]).collect()
    };
    let adamw = losses("adamw", &[]);
    // A bound that no gradient reaches changes nothing; a low one and another optimizer do, from the second step on.
    let high = losses("high", &["--clip", "1e6"]);
    assert!(adamw.iter().zip(&high).all(|(a, b)| (a - b).abs() < 1e-5), "{adamw:?} {high:?}");
    let muon = losses("muon", &["--optimizer", "muon"]);
    assert_eq!(muon[0], adamw[0]);
    assert_ne!(muon[2], adamw[2]);
    let line = refused(&GPT.tiny(&dir.path().join("wrong"), &["--clip", "0"]));
    assert!(line.contains("--clip"), "{line}");
}

/// New layers that begin as the identity: the growths say so, and a sampler under which they are none is noted.
#[test]
fn new_layers_may_begin_as_the_identity() {
    let dir = tempfile::tempdir().unwrap();
    let zeroed = ["--zeroed", "attn.c_proj,mlp.c_proj"];
    let shown = ok(&tiny(dir.path(), &zeroed));
    assert!(shown.contains("parameters zero") && shown.contains("note: `new_layers`"), "{shown}");
    let low = [&zeroed[..], &["--sampler", "constant-low", "--overwrite"]].concat();
    let shown = ok(&tiny(dir.path(), &low));
    assert!(shown.contains("parameters zero") && !shown.contains("note:"), "{shown}");
    // Half of what a layer adds is not all of it.
    let half = ["--zeroed", "attn.c_proj", "--sampler", "constant-low", "--overwrite"];
    let shown = ok(&tiny(dir.path(), &half));
    assert!(shown.contains("note: ") && shown.contains("growth to stage 1: "), "{shown}");
    let registry: serde_json::Value =
        serde_json::from_str(&read(dir.path(), "registry.json")).unwrap();
    assert_eq!(registry["stacks"][0]["layers"].as_array().unwrap().len(), 4);
    let line = refused(&tiny(&dir.path().join("wrong"), &["--zeroed", "c_prof"]));
    assert!(line.contains("c_prof") && line.contains("attn.c_proj.weight"), "{line}");
}

/// A model of bytes writes any of them; none reaches the terminal that would change it.
#[test]
fn what_cannot_be_printed_is_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let (text, out) = (dir.path().join("text"), dir.path().join("run"));
    std::fs::write(&text, [0_u8, 27, 7, 8, b'a'].repeat(400)).unwrap();
    let data = ["--data", text.to_str().unwrap()];
    let shown = gpt(&[
        &["--layers", "2", "--width", "16", "--heads", "2", "--seq", "8", "--batch", "4"][..],
        &["--steps", "40", "--lr", "0.01", "--from-scratch", "--out", out.to_str().unwrap()],
        &data,
    ]
    .concat());
    let generated = gpt(&["--out", out.to_str().unwrap(), "--generate", "a", "--length", "40"]);
    for shown in [ok(&shown), ok(&generated)] {
        assert!(shown.contains("\\u{0}") && shown.contains("\\u{1b}"), "{shown}");
        assert!(shown.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'), "{shown:?}");
    }
}
