//! Options that say nothing beside others: they are refused, and the reason told.

use std::ffi::OsStr;

use burn_apollo::Plan;
use burn_apollo::depth::DepthSamplerConfig;
use burn_apollo::recipe::{Recipe, Setting};
use burn_apollo::schedule::LrShape;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::options::rate::Shape;
use crate::text::corpus::prepare::Choice;
use crate::{Failure, usage};

use Those::{AllBut, These};

/// When options are meaningless, which, and why.
struct Rule {
    when: fn(&ArgMatches) -> bool,
    those: Those,
    why: &'static str,
}

/// Options by their names as fields.
enum Those {
    These(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

const fn rule(when: fn(&ArgMatches) -> bool, those: Those, why: &'static str) -> Rule {
    Rule { when, those, why }
}

/// What decides how a model grows.
const GROWTH: &[&str] = &["policy", "sampler", "draw_per", "expander", "zeroed", "moments"];

const RULES: [Rule; 22] = [
    rule(
        |m| given(m, "export"),
        AllBut(&["export", "out", "device", "overwrite"]),
        "--export writes the run in --out as it is",
    ),
    rule(
        |m| given(m, "generate"),
        AllBut(&["generate", "out", "device", "seed", "length", "temperature"]),
        "--generate takes the run in --out as it is",
    ),
    rule(
        |m| given(m, "generate") && one(m, "temperature") == Some(0.0),
        These(&["seed"]),
        "nothing is drawn at --temperature 0",
    ),
    rule(
        |m| given(m, "sort"),
        AllBut(&["sort", "out", "device"]),
        "--sort takes the run in --out as it is",
    ),
    rule(
        |m| given(m, "prepare"),
        AllBut(&["prepare", "data", "vocabulary", "allow_unknown", "overwrite"]),
        "--prepare writes tokens and trains nothing",
    ),
    rule(
        |m| given(m, "report"),
        AllBut(&["report"]),
        "--report makes the report of a study that is there",
    ),
    rule(
        |m| !matches!(m.try_get_one("vocabulary"), Ok(Some(Choice::Tokenizer(_)))),
        These(&["allow_unknown"]),
        "it is for a tokenizer.json as --vocabulary",
    ),
    rule(|m| given(m, "resume"), These(&["overwrite"]), "--resume goes on with what that replaces"),
    rule(
        |m| given(m, "plan"),
        These(&[
            "recipe",
            "steps",
            "seed",
            "lr_shape",
            "warm_up",
            "decay",
            "min_lr",
            "from_scratch",
            "schedule",
            "epochs",
        ]),
        "--plan says it",
    ),
    rule(|m| given(m, "plan"), These(GROWTH), "--plan says it"),
    rule(|m| given(m, "from_scratch"), These(&["schedule"]), "--from-scratch has one stage"),
    rule(
        |m| !given(m, "schedule") && !given(m, "plan") && stages(m) == Some(1),
        These(GROWTH),
        "all layers are there from the first step, so nothing grows: --recipe or --schedule says otherwise",
    ),
    rule(
        |m| !given(m, "plan") && draws_nothing(m),
        These(&["draw_per"]),
        "the depth follows from the stage alone, so none is drawn: --sampler says otherwise",
    ),
    rule(
        |m| shape(m) == Some(LrShape::Constant),
        These(&["warm_up", "decay", "min_lr"]),
        "the learning rate stays from the first step: --lr-shape says otherwise",
    ),
    rule(
        |m| matches!(shape(m), Some(LrShape::Cosine { .. })),
        These(&["decay"]),
        "the learning rate falls by one cosine: --lr-shape warmup-stable-decay has a decay",
    ),
    rule(|m| given(m, "epochs"), These(&["steps"]), "--epochs says how long the run is"),
    rule(
        |m| given(m, "init_from"),
        These(&["init_std"]),
        "the first weights are those of --init-from",
    ),
    rule(
        |m| one(m, "accumulate") == Some(1_u32),
        These(&["workers"]),
        "a step has one micro-batch: --accumulate says otherwise",
    ),
    rule(
        |m| one(m, "dropout").is_some_and(|dropout: f64| dropout > 0.0) && has(m, "accumulate"),
        These(&["workers"]),
        "with --dropout, micro-batches follow each other",
    ),
    rule(
        |m| raw(m, "task") == ["vision"],
        These(&["order", "seq", "init_std"]),
        "images have no windows of tokens, and weights of the usual size",
    ),
    rule(|m| raw(m, "hosts").len() == 1, These(&["sharded"]), "one host keeps all"),
    rule(|m| given(m, "websocket"), These(&["key"]), "a host over WebSocket has no key"),
];

/// Refuses the first option on the command line that says nothing beside the others.
pub fn check(command: &Command, matches: &ArgMatches) -> Result<(), Failure> {
    if let Some((name, matches)) = matches.subcommand() {
        return command.find_subcommand(name).map_or(Ok(()), |command| check(command, matches));
    }
    for Rule { those, why, .. } in RULES.iter().filter(|rule| (rule.when)(matches)) {
        let meant = |id: &str| match those {
            These(ids) => ids.contains(&id),
            AllBut(ids) => !ids.contains(&id),
        };
        let on_line = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let mut idle = command.get_arguments().filter(|arg| {
            let id = arg.get_id().as_str();
            meant(id) && has(matches, id) && on_line(id)
        });
        if let Some(option) = idle.next().and_then(|arg| arg.get_long()) {
            return Err(usage(format!("--{option}: is of no use here: {why}")));
        }
    }
    Ok(())
}

/// Whether there is such an option.
fn has(matches: &ArgMatches, id: &str) -> bool {
    matches.try_contains_id(id).is_ok()
}

/// Whether a flag is set, or an option has a value that is no default.
fn given(matches: &ArgMatches, id: &str) -> bool {
    let flag = matches.try_get_one::<bool>(id);
    has(matches, id)
        && match flag {
            Ok(set) => set == Some(&true),
            Err(_) => matches.value_source(id) == Some(ValueSource::CommandLine),
        }
}

/// The values of an option as they are written.
fn raw<'a>(matches: &'a ArgMatches, id: &str) -> Vec<&'a OsStr> {
    matches.try_get_raw(id).ok().flatten().map(Iterator::collect).unwrap_or_default()
}

fn one<T: Copy + Send + Sync + 'static>(matches: &ArgMatches, id: &str) -> Option<T> {
    matches.try_get_one(id).ok().flatten().copied()
}

/// What the recipe is for any model, whose names play no part here.
fn recipe(matches: &ArgMatches) -> Option<Plan> {
    let setting = Setting::new(1000, &[12]).with_output_projections(["any"]);
    one::<Recipe>(matches, "recipe")?.plan(&setting).ok()
}

fn stages(matches: &ArgMatches) -> Option<usize> {
    match given(matches, "from_scratch") {
        true => Some(1),
        false => Some(recipe(matches)?.schedule_for(&[12]).stages.len()),
    }
}

fn draws_nothing(matches: &ArgMatches) -> bool {
    let Some(recipe) = recipe(matches) else { return false };
    let given = matches.try_get_one::<DepthSamplerConfig>("sampler").ok().flatten();
    let constant = |sampler| {
        matches!(sampler, &DepthSamplerConfig::ConstantLow | &DepthSamplerConfig::ConstantHigh)
    };
    constant(given.unwrap_or(&recipe.sampler)) && recipe.early_samplers.is_empty()
}

/// What the learning rate does, in the programs where options decide it.
fn shape(matches: &ArgMatches) -> Option<LrShape> {
    let chosen = matches.try_get_one::<Shape>("lr_shape").ok()?;
    if given(matches, "plan") {
        return None;
    }
    match chosen {
        Some(Shape::Constant) => Some(LrShape::Constant),
        Some(Shape::Cosine) => Some(LrShape::default()),
        Some(Shape::WarmupStableDecay) => None,
        None => Some(recipe(matches).unwrap_or(Plan::new(1000)).lr),
    }
}
