//! What is made of a `compare.json` alone.

use std::fs;
use std::path::Path;

use burn_apollo::cost::{ModelCost, PlanCost};
use burn_apollo::recipe::{Recipe, Setting};
use burn_apollo_lab::OptimizerKind;
use burn_apollo_lab::study::{CellKind, Clock, Comparison, Entry, StudyConfig};
use serde_json::{Map, Value, json};

const SHARES: [f64; 3] = [0.25, 0.5, 1.0];
const STEPS: u64 = 1000;

/// How much less than from scratch a recipe needs, and its steps for the FLOPs of one from scratch.
fn factors(recipe: &str) -> (f64, f64) {
    match recipe {
        "scratch" => (1.0, 1.0),
        "half_zeroed" => (2.0, 1.6),
        "apollo" => (0.5, 1.2),
        _ => (0.9, 1.1),
    }
}

/// A training whose loss falls by a tenth of the logarithm of its FLOPs, and whose steps take 1 ms and 1 ms a layer.
fn cell(recipe: &str, optimizer: OptimizerKind, share: f64, seed: u64) -> Value {
    let (faster, longer) = factors(recipe);
    let steps = (STEPS as f64 * share * longer).round() as u64;
    let setting = Setting::new(steps, &[12]).with_output_projections(["out"]);
    let plan = Recipe::by_name(recipe).unwrap().plan(&setting).unwrap().with_seed(seed);
    let better = if optimizer == OptimizerKind::Muon { 0.2 } else { 0.0 };
    let loss = 2.0 - 0.1 * (faster * share).ln() + 0.01 * seed as f64 - better;
    let layers =
        PlanCost::of(&plan, &[12], &ModelCost::of_layer(1.0, 0.0), 1).unwrap().operations / 3.0;
    let seconds = 0.001 * (steps as f64 + layers);
    let name = format!("{recipe}-{}-lr0.01-x{share}-s{seed}", optimizer.name());
    json!({
        "cell": {
            "name": name, "recipe": recipe, "optimizer": optimizer, "lr": 0.01, "share": share, "seed": seed, "plan": plan,
        },
        "val_loss": loss, "operations": 1e12 * share, "seconds": 2.0 * seconds, "cpu_seconds": seconds, "parameters": 3200,
        "curve": [[5e11 * share, loss + 0.5], [1e12 * share, loss]], "curve_steps": [steps / 2, steps],
    })
}

/// Writes the `compare.json` of a study that has all of its trainings.
fn study(folder: &Path, recipes: &[&str], optimizers: &[OptimizerKind]) {
    let mut config = StudyConfig::new(recipes.iter().copied(), STEPS);
    config.optimizers = optimizers.to_vec();
    config.learning_rates = vec![0.003, 0.01, 0.03];
    config.seeds = vec![1, 2];
    config.shares = SHARES.to_vec();
    config.clock = Clock::Processor;
    let mut cells = Map::new();
    for optimizer in optimizers {
        for recipe in &config.recipes {
            for (share, seed) in SHARES.iter().flat_map(|share| [(*share, 1), (*share, 2)]) {
                let cell = cell(recipe, *optimizer, share, seed);
                cells.insert(cell["cell"]["name"].as_str().unwrap().to_owned(), cell);
            }
        }
    }
    let cost = ModelCost::of_layer(100.0, 300.0);
    let shape = json!({"targets": [12], "cost": cost, "items": 64});
    let content = json!({
        "study": {"batch": 2, "task": {"width": 16}},
        "asked": {"config": config, "shape": shape, "items": "tokens", "unit": "nats per byte"},
        "cells": cells,
        "failed": {"apollo-adamw-lr0.5-x1-s1": "it said `<b>` | and died"},
    });
    fs::write(folder.join("compare.json"), content.to_string()).unwrap();
}

fn entry<'a>(comparison: &'a Comparison, recipe: &str) -> &'a Entry {
    comparison.entries.iter().find(|entry| entry.kind.to_string() == recipe).unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
}

#[test]
fn savings_and_differences_are_those_of_the_trainings() {
    let dir = tempfile::tempdir().unwrap();
    study(dir.path(), &["half_zeroed", "apollo"], &[OptimizerKind::AdamW]);
    let comparison = Comparison::from_folder(dir.path()).unwrap();
    close(comparison.items_per_parameter, 1000.0 * 64.0 / 3200.0);

    let half = entry(&comparison, "half_zeroed");
    close(half.same.operations.unwrap().mean, 0.5);
    close(half.same.operations.unwrap().deviation, 0.0);
    // 800 steps with 6 layers up to 70 %, instead of 1,000 with 12; and a part that does not depend on the depth.
    close(half.same.seconds.unwrap().mean, 1.0 - 0.8 * (1.0 + 0.7 * 6.0 + 0.3 * 12.0) / 13.0);
    let time = comparison.step_times[0];
    close(time.fixed, 0.001);
    close(time.layer, 0.001);
    close(time.fixed_seconds, 1.0 / 13.0);
    close(time.fixed_operations, 300.0 / 1500.0);
    assert_eq!((half.same.not_reached, half.same.at_least), (0, 0));
    for length in &half.lengths {
        close(length.difference.unwrap().mean, -0.1 * 2.0_f64.ln());
    }
    close(half.at_equal_steps.unwrap().mean, -0.1 * 1.25_f64.ln());
    let goals: Vec<_> = half.goals.iter().map(|goal| goal.items_per_parameter).collect();
    assert_eq!(goals, [5.0, 10.0, 20.0]);
    assert_eq!(half.goals[0].saving.at_least, 2, "the shortest length is more than it takes");
    close(half.goals[1].saving.operations.unwrap().mean, 0.5);

    let apollo = entry(&comparison, "apollo");
    assert_eq!((apollo.same.operations, apollo.same.not_reached), (None, 2));
    close(apollo.goals[1].saving.operations.unwrap().mean, -1.0);
    assert_eq!(apollo.goals[2].saving.not_reached, 2);
    assert_eq!(apollo.stages.last().unwrap().layers, [12]);
    assert_eq!(apollo.course.iter().map(|(steps, ..)| *steps).collect::<Vec<_>>(), [600.0, 1200.0]);
}

#[test]
fn the_report_has_its_pictures_and_says_how_it_was_fair() {
    let dir = tempfile::tempdir().unwrap();
    study(dir.path(), &["half_zeroed", "apollo"], &[OptimizerKind::AdamW]);
    Comparison::from_folder(dir.path()).unwrap().write_report(dir.path()).unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let (html, markdown) = (read("report.html"), read("report.md"));
    for row in [
        "| recipe | with | 5.0 | 10.0 | 20.0 |",
        "| half_zeroed | adamw | ≥ 0.0 ± 0.0 % | 50.0 ± 0.0 % | 50.0 ± 0.0 % |",
        "| apollo | adamw | -100.0 ± 0.0 % | -100.0 ± 0.0 % | not reached |",
    ] {
        assert!(markdown.lines().any(|line| line == row), "{row}: {markdown}");
    }
    let pictures =
        ["saving", "loss-flops", "loss-steps", "loss-time", "course", "crossover", "depths"];
    for name in pictures {
        assert!(read(&format!("{name}.svg")).contains("</svg>"), "{name}");
        let png = fs::read(dir.path().join(format!("{name}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{name}: {} bytes", png.len());
        assert!(markdown.contains(&format!("]({name}.svg)")), "{name}");
    }
    assert_eq!(html.matches("<svg ").count(), pictures.len());
    assert!(!html.contains("<img") && !html.contains("http-equiv"), "all in one file");
    // Parts of one picture must not be taken for those of another.
    let mut ids: Vec<&str> =
        html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(count >= 5 && ids.len() == count, "{ids:?}");
    for words in [
        "2 seeds, 1 and 2",
        "0.003, 0.01 and 0.03",
        "25, 50 and 100 % of the FLOPs of 1000 steps",
        "12 layers",
    ] {
        assert!(markdown.contains(words), "{words}: {markdown}");
    }
    assert!(markdown.contains("No best rate lies at an end of the grid."));
    assert!(markdown.contains("for each layer that it runs"), "time and FLOPs are explained");
    assert!(html.contains("it said '&lt;b&gt;'"), "what a program said is no markup");
}

#[test]
fn the_advice_is_that_of_the_lengths() {
    let dir = tempfile::tempdir().unwrap();
    study(dir.path(), &["half_zeroed", "apollo"], &[OptimizerKind::AdamW]);
    let advice = Comparison::from_folder(dir.path()).unwrap().advice();
    assert!(advice[0].contains("half_zeroed saves most: 50.0 ± 0.0 % of the FLOPs"), "{advice:?}");
    assert!(advice[1].contains("from those of 5.0 items for each parameter"), "{advice:?}");
}

/// A study as `study` writes it, with trainings of three layers alone whose losses lie `above` those from scratch.
fn with_three_layers(folder: &Path, above: f64) -> Comparison {
    study(folder, &["half_zeroed", "apollo"], &[OptimizerKind::AdamW]);
    let path = folder.join("compare.json");
    let mut content: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    content["asked"]["config"]["depths"] = json!([3]);
    let cost = ModelCost::of_layer(100.0, 300.0);
    content["asked"]["shallower"] = json!({"3": {"targets": [3], "cost": cost, "items": 64}});
    let cells = content["cells"].as_object_mut().unwrap();
    let scratch: Vec<Value> =
        cells.values().filter(|cell| cell["cell"]["recipe"] == "scratch").cloned().collect();
    for mut cell in scratch {
        let name = cell["cell"]["name"].as_str().unwrap().replace("scratch", "depth_3");
        let steps = (2.5 * cell["cell"]["plan"]["steps"].as_f64().unwrap()) as u64;
        let plan = Recipe::by_name("scratch").unwrap().plan(&Setting::new(steps, &[3])).unwrap();
        cell["cell"]["plan"] = json!(plan.with_seed(cell["cell"]["seed"].as_u64().unwrap()));
        cell["cell"]["recipe"] = json!("depth_3");
        cell["cell"]["name"] = json!(name);
        cell["seconds"] = json!(0.001 * 4.0 * steps as f64);
        cell["cpu_seconds"] = cell["seconds"].clone();
        cell["parameters"] = json!(800);
        cell["val_loss"] = json!(cell["val_loss"].as_f64().unwrap() + above);
        cells.insert(name, cell);
    }
    fs::write(path, content.to_string()).unwrap();
    Comparison::from_folder(folder).unwrap()
}

#[test]
fn a_shallower_model_stands_beside_the_recipes_and_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let comparison = with_three_layers(dir.path(), -0.1);
    let alone = entry(&comparison, "depth_3");
    assert_eq!((&alone.kind, alone.is_grown()), (&CellKind::Depth(3), false));
    assert!(alone.is_shallower() && !alone.is_scratch());
    assert_eq!(alone.stages.last().unwrap().layers, [3]);
    assert!(entry(&comparison, "half_zeroed").is_grown());
    close(alone.lengths[0].difference.unwrap().mean, -0.1);
    close(alone.same.operations.unwrap().mean, 1.0 - (-1.0_f64).exp());
    // The parameters of the full model count, and steps of three layers lie on the line through the others.
    close(comparison.items_per_parameter, 1000.0 * 64.0 / 3200.0);
    close(comparison.step_times[0].layer, 0.001);
    assert!(comparison.mixing.iter().all(|mixing| mixing.recipe != "depth_3"));

    comparison.write_report(dir.path()).unwrap();
    let report = fs::read_to_string(dir.path().join("report.md")).unwrap();
    assert!(report.contains("What is named depth_3 is another model"), "{report}");
    assert!(report.contains("| depth_3 | adamw | 0.01 |"), "{report}");
}

#[test]
fn the_advice_tells_whether_the_depth_pays() {
    let dir = tempfile::tempdir().unwrap();
    let said = |above: f64| with_three_layers(dir.path(), above).advice();
    // By half_zeroed the full model ends 0.069 below scratch, and seeds deviate by 0.007.
    for (above, end) in [
        (-0.1, "unless the full depth is needed for itself; fewer layers were not tried."),
        (-0.07, "cheaper to run; fewer layers were not tried."),
        (0.0, "the full depth pays."),
    ] {
        let said = said(above);
        assert!(
            said[0].contains("half_zeroed saves most"),
            "a shallower model is no recipe: {said:?}"
        );
        let last = said.last().unwrap();
        assert!(last.starts_with("With adamw and as many FLOPs, 3 layers trained alone end at "));
        assert!(last.contains("(half_zeroed)") && last.ends_with(end), "{above}: {last}");
    }
}

#[test]
fn one_length_does_not_tell_how_much_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let saved = |more: f64| {
        study(dir.path(), &["half_zeroed", "apollo"], &[OptimizerKind::AdamW]);
        let path = dir.path().join("compare.json");
        let mut content: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        content["asked"]["config"]["shares"] = json!([1.0]);
        // Whole steps cost a little more or less than was asked for.
        for cell in content["cells"].as_object_mut().unwrap().values_mut() {
            if cell["cell"]["recipe"] == "half_zeroed" {
                cell["operations"] = json!((1.0 - more) * cell["operations"].as_f64().unwrap());
            }
        }
        fs::write(path, content.to_string()).unwrap();
        let comparison = Comparison::from_folder(dir.path()).unwrap();
        let earlier = ["crossover.svg", "loss-flops.png"].map(|name| dir.path().join(name));
        earlier.iter().for_each(|picture| fs::write(picture, "of an earlier report").unwrap());
        comparison.write_report(dir.path()).unwrap();
        assert!(earlier.iter().all(|picture| !picture.exists()), "one length has no such picture");
        let (table, said) = (comparison.table(), &comparison.advice()[0]);
        assert!(said.contains("is reached with the same FLOPs by half_zeroed;"), "{said}");
        for report in ["report.md", "report.html"] {
            let report = fs::read_to_string(dir.path().join(report)).unwrap();
            assert!(report.contains(said) && !report.contains("saves most"), "{report}");
        }
        table.lines().find(|line| line.starts_with("half_zeroed")).unwrap().to_owned()
    };
    assert!(saved(0.0).contains("≥ 0.0 ± 0.0 %"));
    assert!(saved(0.01).contains("≥ 1.0 ± 0.0 %"));
    assert!(saved(-0.0001).contains("≥ 0.0 ± 0.0 %"));
}

#[test]
fn twenty_recipes_with_two_optimizers_stay_readable() {
    let dir = tempfile::tempdir().unwrap();
    let recipes: Vec<&str> = Recipe::all().iter().map(Recipe::name).collect();
    study(dir.path(), &recipes, &[OptimizerKind::AdamW, OptimizerKind::Muon]);
    let comparison = Comparison::from_folder(dir.path()).unwrap();
    comparison.write_report(dir.path()).unwrap();
    let table = comparison.table();
    assert_eq!(table.lines().count(), 1 + 2 * recipes.len());
    let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 120, "{widest} columns: {table}");
    for line in table.lines().skip(1).filter(|line| line.contains("half_zeroed")) {
        assert!(line.contains("50.0 ± 0.0 %"), "{line}");
    }
    let svg = fs::read_to_string(dir.path().join("loss-flops.svg")).unwrap();
    for recipe in &recipes {
        assert!(svg.contains(&format!(">{recipe}, muon<")), "{recipe} in the legend");
    }
    let ys = |svg: &str| -> Vec<f64> {
        let labels = svg
            .split("<text ")
            .filter(|text| text.contains(", muon<") || text.contains(", adamw<"));
        let y = |text: &str| text.split(" y=\"").nth(1)?.split('"').next()?.parse().ok();
        labels.filter_map(y).collect()
    };
    let mut ys = ys(&svg);
    assert_eq!(ys.len(), 2 * recipes.len());
    ys.sort_by(f64::total_cmp);
    assert!(ys.windows(2).all(|pair| pair[1] - pair[0] > 10.0), "names overlap");
    let height: f64 =
        svg.split(" height=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(ys.last().unwrap() < &height, "names are cut off");
}
