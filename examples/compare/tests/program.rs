//! `compare` as a user runs it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use apollo_examples_testing::{Program, ok, read, refused, same_run};
use burn_apollo::recipe::Recipe;
use serde_json::Value;

/// Ten trainings of at most some 30 steps.
const STUDY: Program = Program {
    path: env!("CARGO_BIN_EXE_compare"),
    tiny: "--layers 4 --width 16 --heads 2 --seq 8 --batch 2 --steps 20 --recipes half_zeroed --seeds 1,2 --workers 2",
};

const IMAGES: &str = "--task vision --layers 4 --width 16 --heads 2 --steps 20 --lrs 0.003 --shares 1 --tuning-share 1";

/// As `compare --task bert` chooses.
const BERT: Program = Program {
    path: env!("CARGO_BIN_EXE_compare"),
    tiny: "--task bert --layers 4 --width 16 --heads 2 --seq 8 --batch 2 --steps 20 --lrs 0.003",
};

/// `compare.json` without what a clock gave.
fn found(folder: &Path) -> Value {
    let mut content: Value = serde_json::from_str(&read(folder, "compare.json")).unwrap();
    for cell in content["cells"].as_object_mut().unwrap().values_mut() {
        for seconds in ["seconds", "cpu_seconds"] {
            assert!(cell.as_object_mut().unwrap().remove(seconds).unwrap().as_f64().unwrap() > 0.0);
        }
    }
    content
}

fn count(folder: &Path) -> usize {
    match folder.join("compare.json").exists() {
        true => found(folder)["cells"].as_object().unwrap().len(),
        false => 0,
    }
}

/// Two rates of each of two recipes with the first seed, then two lengths of two seeds at the best, of which one is there.
const CELLS: usize = 4 + 2 * (4 - 1);

#[test]
fn a_study_says_what_each_recipe_costs_and_is_not_done_twice() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&STUDY.tiny(dir.path(), &[]));
    let content = found(dir.path());
    let cells = content["cells"].as_object().unwrap();
    assert_eq!(cells.len(), CELLS);
    assert_eq!(content["failed"].as_object().unwrap().len(), 0);
    // Equal shares are equal operations, as far as whole steps go.
    let operations = |recipe: &str, share: f64| {
        let of: Vec<f64> = cells
            .values()
            .filter(|cell| cell["cell"]["recipe"] == recipe && cell["cell"]["share"] == share)
            .map(|cell| cell["operations"].as_f64().unwrap())
            .collect();
        assert!(!of.is_empty(), "{recipe} {share}");
        of[0]
    };
    let whole = operations("scratch", 1.0);
    assert!((operations("half_zeroed", 1.0) / whole - 1.0).abs() < 0.1);
    assert!((operations("half_zeroed", 0.5) / whole - 0.5).abs() < 0.1);
    for word in ["half_zeroed", "scratch", "FLOPs saved", "time saved"] {
        assert!(shown.contains(word), "{word}: {shown}");
        assert!(read(dir.path(), "report.md").contains(word), "{word} in the report");
    }
    assert!(read(dir.path(), "loss-flops.svg").contains("</svg>"));
    assert!(read(dir.path(), "report.html").contains("</svg>"));

    // compare.json alone is enough: for the report, without the text too, and for a study that goes on.
    let report = read(dir.path(), "report.html");
    let copy = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join("compare.json"), copy.path().join("compare.json")).unwrap();
    let redrawn = ok(&STUDY.run(&["--report", copy.path().to_str().unwrap()]));
    let rows = |shown: &str| shown.lines().filter(|l| !l.contains("written")).count();
    assert!(redrawn.contains("half_zeroed") && rows(&redrawn) >= 3, "{redrawn}");
    assert_eq!(read(copy.path(), "report.html"), report);
    fs::remove_dir_all(dir.path().join("cells")).unwrap();
    let table = |shown: &str| shown.lines().filter(|line| line.contains('|')).count();
    let again = ok(&STUDY.tiny(dir.path(), &[]));
    assert_eq!(table(&again), table(&shown));
    assert!(!dir.path().join("cells").exists(), "a finished training was done again");

    // One more recipe is added; another study is refused, and what was found stays.
    ok(&STUDY.tiny(dir.path(), &["--recipes", "half_zeroed,apollo"]));
    assert_eq!(count(dir.path()), CELLS + 2 + 3);
    let before = read(dir.path(), "compare.json");
    for other in [["--steps", "30"], ["--batch", "3"], ["--width", "32"], ["--clip", "2"]] {
        let line = refused(&STUDY.tiny(dir.path(), &other));
        assert!(line.contains("another study"), "{other:?}: {line}");
    }
    assert_eq!(read(dir.path(), "compare.json"), before);
}

/// Two layers until so much of the run.
fn own_plan(folder: &Path, until: &str, more: &str) -> String {
    let file = folder.join("mine.toml");
    let text = format!(
        "steps = 1\nsampler = \"constant_low\"\n{more}\n[[schedule.stages]]\nlayers = 2\n\
         until = {{ {until} }}\n[[schedule.stages]]\nlayers = 4\n"
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn plans_of_ones_own_are_compared_by_the_names_of_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("study");
    let with =
        |file: &str| STUDY.tiny(&out, &["--lrs", "0.01", "--recipes", &format!("g_stack,{file}")]);
    let shown = ok(&with(&own_plan(dir.path(), "fraction = 0.5", "")));
    assert!(shown.lines().any(|line| line.contains("mine") && line.contains(" ± ")), "{shown}");
    let content = found(&out);
    // Two layers of four for half of the run and half of the FLOPs of the layers: longer than from scratch.
    let plan = &content["cells"]["mine-adamw-lr0.01-x1-s2"]["cell"]["plan"];
    let steps = plan["steps"].as_u64().unwrap();
    assert!((22..=27).contains(&steps), "{steps} steps");
    assert_eq!((&plan["seed"], &plan["sampler"]), (&2.into(), &"constant_low".into()));
    let before = read(&out, "compare.json");
    // From the file alone, which has the plan.
    ok(&STUDY.run(&["--report", out.to_str().unwrap()]));

    let line = refused(&with(&own_plan(dir.path(), "fraction = 0.6", "")));
    assert!(line.contains("mine has trainings there by another plan"), "{line}");
    let line = refused(&with(&own_plan(dir.path(), "step = 10", "")));
    assert!(
        line.contains("`plans`") && line.contains("a stage of mine that ends at a step"),
        "{line}"
    );
    assert!(line.contains("at a fraction of the run"), "{line}");
    let line = refused(&with("/no/such/plan.toml"));
    assert!(line.contains("/no/such/plan.toml"), "{line}");
    let published = dir.path().join("midas.toml");
    fs::copy(dir.path().join("mine.toml"), &published).unwrap();
    let line = refused(&with(published.to_str().unwrap()));
    assert!(line.contains("no published recipe"), "{line}");
    let line = refused(&with(&own_plan(dir.path(), "fraction = 0.5", "samplr = 1")));
    assert!(line.contains("mine.toml") && line.contains("samplr"), "{line}");
    assert_eq!(read(&out, "compare.json"), before);

    let plan = own_plan(dir.path(), "fraction = 0.5", "");
    let shown = ok(&STUDY.tiny(&dir.path().join("none"), &["--plan", "--recipes", &plan]));
    assert!(shown.contains("mine: a plan of your own"), "{shown}");

    let at_plateau =
        own_plan(dir.path(), "fraction = 0.5", "policy = { loss_plateau = { patience = 2 } }");
    let out = dir.path().join("plateau");
    let more = "--steps 60 --lrs 0.01 --shares 1 --tuning-share 1 --recipes";
    let more: Vec<&str> = more.split(' ').chain([at_plateau.as_str()]).collect();
    ok(&STUDY.tiny(&out, &more));
    let report = read(&out, "report.md");
    assert!(report.contains("What a training by mine costs is known at its end alone"), "{report}");
}

#[test]
fn a_shallower_model_is_trained_as_it_would_be_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (out, alone) = (dir.path().join("out"), dir.path().join("alone"));
    let more = ["--lrs", "0.01", "--shares", "1", "--tuning-share", "1"];
    let shown = ok(&STUDY.tiny(&out, &[&more[..], &["--depths", "1,2"]].concat()));
    assert!(shown.contains(" trained alone end"), "{shown}");
    let content = found(&out);
    let whole = &content["cells"]["scratch-adamw-lr0.01-x1-s1"];
    let two = &content["cells"]["depth_2-adamw-lr0.01-x1-s1"];
    let number = |cell: &Value, of: &str| cell[of].as_f64().unwrap();
    assert!((number(two, "operations") / number(whole, "operations") - 1.0).abs() < 0.05);
    assert!(number(two, "parameters") < number(whole, "parameters"));
    let steps = two["cell"]["plan"]["steps"].to_string();
    let own = ["--layers", "2", "--recipes", "scratch", "--steps", &steps];
    ok(&STUDY.tiny(&alone, &[&more[..], &own].concat()));
    let own = &found(&alone)["cells"]["scratch-adamw-lr0.01-x1-s1"];
    for same in ["val_loss", "operations", "parameters", "curve"] {
        assert_eq!(two[same], own[same], "{same}");
    }

    // Depths are added to what is there, and left out again.
    let cells = count(&out);
    ok(&STUDY.tiny(&out, &[&more[..], &["--depths", "3"]].concat()));
    assert_eq!(count(&out), cells + 2, "with two seeds");
    let report = read(&out, "report.md");
    assert!(report.contains("depth_3") && !report.contains("depth_2"), "{report}");

    let shown = ok(&STUDY.tiny(&dir.path().join("none"), &["--plan", "--depths", "2"]));
    let sentence = "depth_2: 2 layers alone, for as many FLOPs as 20 steps of the full model";
    assert!(shown.contains(sentence) && shown.contains(&format!("0..{steps} ")), "{shown}");
    let plan = own_plan(dir.path(), "fraction = 0.5", "");
    let named = dir.path().join("depth_2.toml");
    fs::rename(plan, &named).unwrap();
    let recipes = ["--depths", "2", "--recipes", named.to_str().unwrap()];
    assert!(refused(&STUDY.tiny(&out, &recipes)).contains("no shallower model"));
}

#[test]
fn a_study_that_is_killed_five_times_finds_the_same() {
    let more = ["--warm-up", "2", "--recipes", "late_hop,late_hop_zeroed", "--shares", "0.5,0.7,1"];
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    ok(&STUDY.tiny(whole.path(), &more));
    for kill in 1..=5 {
        let mut study = STUDY
            .command(parts.path(), &more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Two more trainings, and some are under way.
        while count(parts.path()) < 2 * kill && study.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        study.kill().unwrap();
        study.wait().unwrap();
    }
    let shown = ok(&STUDY.tiny(parts.path(), &more));
    assert!(shown.contains("late_hop_zeroed"), "{shown}");
    assert_eq!(found(parts.path()), found(whole.path()));
    for cell in found(whole.path())["cells"].as_object().unwrap().keys() {
        let [one, other] = [&whole, &parts].map(|dir| dir.path().join("cells").join(cell));
        same_run(&one, &other, cell);
    }
    let line = refused(&STUDY.tiny(whole.path(), &["--warm-up", "3"]));
    assert!(line.contains("another study"), "{line}");
}

#[test]
fn a_folder_has_one_study_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::create(dir.path().join(".lock")).unwrap();
    file.lock().unwrap();
    let line = refused(&STUDY.tiny(dir.path(), &[]));
    assert!(line.contains("under way"), "{line}");
    assert!(!dir.path().join("compare.json").exists());
    drop(file);
    ok(&STUDY.tiny(dir.path(), &["--shares", "0.5"]));
}

#[test]
fn a_plan_is_shown_and_nothing_trained() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let shown = ok(&STUDY.tiny(&out, &["--plan", "--recipes", "apollo,g_stack"]));
    for word in ["scratch: ", "apollo: ", "g_stack: ", "100.0%", " MiB "] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let both = ok(&STUDY.tiny(&out, &["--plan", "--optimizers", "adamw,muon"]));
    let memory = |optimizer: &str| {
        let table = &both[both.find(&format!("with {optimizer}")).unwrap()..];
        let line = table.lines().nth(2).unwrap();
        line.split_whitespace().collect::<Vec<_>>()[4..6].join(" ")
    };
    // AdamW: 4 numbers of 4 bytes for each parameter; Muon has one less for the layers' matrices.
    assert_eq!((memory("adamw").as_str(), memory("muon").as_str()), ("17376 0.3", "17376 0.2"));

    // 20 steps from scratch are some 7e7 FLOPs; half_zeroed grows from 2 layers to 4, its last fifth decays.
    let budget = |more: &[&str]| {
        let shown = ok(&STUDY.tiny(&out, &[&["--plan", "--budget", "1e9"], more].concat()));
        shown
            .lines()
            .filter(|line| line.contains("FLOPs buy"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let number = |line: &str, after: &str| -> u64 {
        let rest = &line[line.find(after).unwrap() + after.len()..];
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    let [scratch, unknown] = &budget(&[])[..] else { panic!("a line for each recipe") };
    let known = &budget(&["--t-mix", "500"])[1];
    let steps = |line: &str| number(line, "FLOPs buy ");
    assert!(steps(unknown) > steps(scratch) && unknown.contains("not known"), "{unknown}");
    assert!(steps(known) < steps(unknown));
    assert_eq!(steps(known) - number(known, "before step "), 500);
    assert!(!out.exists(), "nothing is written");
}

#[test]
fn it_ends_quietly_where_nobody_reads() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = STUDY.command(&dir.path().join("out"), &["--plan"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141), "as a shell says of SIGPIPE");
}

#[test]
fn a_pilot_measures_how_soon_a_grown_model_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let more = "--steps 200 --shares 0.5 --lrs 0.01";
    let more: Vec<&str> = more.split(' ').collect();
    let cells = |folder: &Path| {
        let names = found(folder)["cells"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        names.into_iter().filter(|name| name.contains("pilot")).collect::<Vec<_>>()
    };
    ok(&STUDY.tiny(dir.path(), &more));
    assert_eq!(cells(dir.path()), [""; 0]);

    let shown = ok(&STUDY.tiny(dir.path(), &[&more[..], &["--pilot"]].concat()));
    assert_eq!(cells(dir.path()), ["half_zeroed-pilot-adamw-lr0.01-x0.5-s1"]);
    let said = |text: &str| text.lines().find(|line| line.contains("caught up")).map(str::to_owned);
    let sentence = said(&shown).expect("a sentence about it");
    assert!(sentence.starts_with("With adamw, a model grown by half_zeroed had "), "{sentence}");
    assert_eq!(said(&read(dir.path(), "report.md")), Some(sentence));
    // It is no recipe of the table.
    assert!(!shown.lines().any(|line| line.contains("pilot") && line.contains(" ± ")), "{shown}");
}

#[test]
fn a_full_study_asks_for_more() {
    let tiny = "--layers 4 --width 16 --heads 2 --seq 8 --batch 2 --full --plan";
    let shown = |more: &[&str]| {
        let args: Vec<&str> = tiny.split(' ').chain(more.iter().copied()).collect();
        ok(&STUDY.run(&args))
    };
    let gpt = shown(&[]);
    for word in ["two_hops_zeroed: ", "with muon", "0..6300", "depth_1: ", "depth_2: "] {
        assert!(gpt.contains(word), "{word}: {gpt}");
    }
    let bert = shown(&["--task", "bert", "--steps", "500"]);
    for word in ["midas: ", "0..500"] {
        assert!(bert.contains(word), "{word}: {bert}");
    }
}

/// `docs/recipes.md` names every recipe with the cost that `--plan` shows.
#[test]
fn the_documented_costs_are_those_of_the_plans() {
    let names: Vec<&str> = Recipe::all().iter().map(Recipe::name).collect();
    let model = "--layers 12 --width 128 --heads 4 --seq 64 --steps 1000 --plan --recipes";
    let mut args: Vec<&str> = model.split(' ').collect();
    let list = names.join(",");
    args.push(&list);
    let plans = ok(&STUDY.run(&args));
    let documented = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/recipes.md");
    let documented = fs::read_to_string(documented).unwrap();
    for name in names {
        let plan = &plans[plans.find(&format!("{name}: ")).unwrap()..];
        let sum = plan.lines().find(|line| line.contains("from scratch ")).unwrap();
        let share = sum.split_whitespace().last().unwrap().trim_end_matches('%');
        let row = format!("| `{name}` |");
        let row = documented.lines().find(|line| line.starts_with(&row)).expect(name);
        assert!(row.ends_with(&format!(" {share} % |")), "{share}: {row}");
    }
}

#[test]
fn a_report_needs_a_study() {
    let dir = tempfile::tempdir().unwrap();
    let report = || STUDY.run(&["--report", dir.path().to_str().unwrap()]);
    assert!(refused(&report()).contains("compare.json"));
    let empty = r#"{"study": {}, "cells": {}, "failed": {}}"#;
    fs::write(dir.path().join("compare.json"), empty).unwrap();
    assert!(refused(&report()).contains("missing field `asked`"));
    assert_eq!(read(dir.path(), "compare.json"), empty);
}

#[test]
fn bert_is_compared_too() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&BERT.tiny(dir.path(), &[]));
    // Beside the recipes a quarter of the layers, as none of both is given.
    assert!(shown.contains("gradual") && shown.contains("depth_1"), "{shown}");
    let shown = ok(&BERT.tiny(&dir.path().join("one"), &["--layers", "1", "--plan"]));
    assert!(shown.contains("gradual") && !shown.contains("depth_"), "{shown}");
}

#[test]
fn images_are_compared_too() {
    let dir = tempfile::tempdir().unwrap();
    let shown = ok(&Program { tiny: IMAGES, ..STUDY }.tiny(dir.path(), &[]));
    assert!(shown.contains("quarter_in_decay"), "{shown}");
    let content = found(dir.path());
    assert_eq!(content["study"]["task"]["data"], "digits.csv");
    assert_eq!(content["asked"]["items"], "images");
    assert_eq!(content["asked"]["shape"]["items"], 64);
}

#[test]
fn problems_are_compared_too() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = "--task reason --width 16 --heads 2 --length 5 --steps 20 --lrs 0.003 --shares 1 --tuning-share 1";
    let study = Program { tiny, ..STUDY };
    ok(&study.tiny(dir.path(), &[]));
    let content = found(dir.path());
    assert_eq!(content["study"]["task"]["problem"]["group"], "s3");
    assert_eq!(content["study"]["optimizer"]["beta2"], 0.98);
    let cells = content["cells"].as_object().unwrap();
    assert!(cells.keys().any(|name| name.starts_with("depth_2-")), "a third of the six layers");
    for cell in cells.values() {
        assert_eq!(cell["by_position"].as_array().unwrap().len(), 5);
        assert!(cell["measures"]["length_solved"].is_number(), "{cell}");
    }
    let report = read(dir.path(), "report.md");
    assert!(
        report.contains("| recipe | with | length solved | length solved longer |"),
        "{report}"
    );
    assert!(report.contains("(by-position.svg)") && dir.path().join("by-position.svg").exists());

    // A file from before measures were kept.
    let mut content: Value = serde_json::from_str(&read(dir.path(), "compare.json")).unwrap();
    for cell in content["cells"].as_object_mut().unwrap().values_mut() {
        let cell = cell.as_object_mut().unwrap();
        assert!(cell.remove("measures").is_some() && cell.remove("by_position").is_some());
    }
    fs::write(dir.path().join("compare.json"), content.to_string()).unwrap();
    ok(&study.run(&["--report", dir.path().to_str().unwrap()]));
    assert!(!read(dir.path(), "report.md").contains("Measures"));
    assert!(!dir.path().join("by-position.svg").exists());
}

#[test]
fn wrong_options_are_refused() {
    STUDY.refuses(&[
        (&["--recipes", "lottery"], "there are scratch"),
        (&["--lrs", "0.003,0"], "0"),
        (&["--shares", "1.5"], "at most 1"),
        (&["--steps", "9"], "9"),
        (&["--clip", "0"], "above 0"),
        (&["--warm-up", "10"], "warm_up"),
        (&["--budget", "1e9"], "--plan"),
        (&["--plan", "--budget", "0"], "above 0"),
        (&["--heads", "3"], "heads"),
        (&["--depths", "2,4"], "below the 4 of --layers"),
        (&["--depths", "0"], "0"),
        (&["--task", "bert"], "half_zeroed"),
        (&["--task", "reason", "--dropout", "0.1"], "--dropout"),
        (&["--task", "reason", "--init-std", "0.1"], "--init-std"),
        (&["--task", "reason", "--length", "3"], "from 4 to 1024 letters"),
        (&["--task", "vision"], "--seq: is of no use here: images have no windows"),
        (&["--data", "/no/such/text"], "/no/such/text"),
        (&["--device", "abacus"], "abacus"),
    ]);
    Program { tiny: IMAGES, ..STUDY }.refuses(&[
        (&["--heads", "3"], "heads"),
        (&["--init-std", "0.1"], "--init-std"),
        (&["--order", "epochs"], "--order"),
        (&["--data", "/no/such/images"], "/no/such/images"),
        (&["--report", "x"], "is of no use here: --report makes"),
    ]);
}

#[test]
fn the_options_are_those_of_the_list() {
    STUDY.has_options(&[], include_str!("data/options.txt"));
}
