//! `--resume` with other options than the run's.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Failure, usage};

/// Differences that are told, and characters of a value.
const TOLD: usize = 4;
const LONGEST: usize = 60;

/// Names the options in which the configuration of the run in `out` differs from the one given, and both values.
pub fn other_options(out: &Path, there: &impl Serialize, given: &impl Serialize) -> Failure {
    let (there, given) = (fields(there), fields(given));
    let model = |fields: &Map<String, Value>| fields.get("model")?.as_str().map(str::to_owned);
    if let (Some(there), Some(given)) = (model(&there), model(&given))
        && there != given
    {
        let out = out.display();
        return usage(format!("--resume: {out} holds a run of {there}, not of {given}"));
    }
    let names = there.keys().chain(given.keys().filter(|name| !there.contains_key(*name)));
    let differ = names.filter(|name| there.get(*name) != given.get(*name));
    let mut told: Vec<String> = Vec::new();
    for name in differ {
        let Some((option, shown)) = option(name) else { continue };
        let value = |fields: &Map<String, Value>| match fields.get(shown) {
            None | Some(Value::Null) => "not given".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => short(&value.to_string()),
        };
        told.push(format!("{option}: {} there, {} here", value(&there), value(&given)));
    }
    told.truncate(TOLD);
    let longer = match there.get("plan.steps") == given.get("plan.steps") {
        true => "",
        false => {
            "; growths and learning rate follow from a run's length: to train longer, begin a new run, of gpt and bert with \
             --init-from and an --export of this one"
        }
    };
    usage(format!(
        "--resume: {} holds a run with other options: {}{longer}",
        out.display(),
        told.join("; ")
    ))
}

/// A configuration's fields, those of the plan, the optimizer and the first weights one by one.
fn fields(config: &impl Serialize) -> Map<String, Value> {
    let mut fields = Map::new();
    let Ok(Value::Object(all)) = serde_json::to_value(config) else { return fields };
    for (name, value) in all {
        match value {
            Value::Object(parts) => fields
                .extend(parts.into_iter().map(|(part, value)| (format!("{name}.{part}"), value))),
            value => drop(fields.insert(name, value)),
        }
    }
    fields
}

/// The option that a field is of, and the field that shows its value; none where the values may differ.
fn option(field: &str) -> Option<(String, &str)> {
    let of = |option: &str| format!("--{}", option.replace('_', "-"));
    Some(match field {
        // The same text may lie elsewhere.
        "data" | "init_from.dir" => return None,
        "data_checksum" => ("another text, --data".to_owned(), "data"),
        "init_from.checksum" => ("other first weights, --init-from".to_owned(), "init_from.dir"),
        "tokenizer" => (of("vocabulary"), field),
        // Runs of before do not say it.
        "model" => return None,
        "plan.lr" => ("--lr-shape, --warm-up, --decay or --min-lr".to_owned(), field),
        "plan.new_layers" => ("--zeroed or --recipe".to_owned(), field),
        "plan.schedule" => ("--schedule, --recipe or --from-scratch".to_owned(), field),
        _ => match field.split_once('.') {
            Some(("init_from", _)) => return None,
            Some(("optimizer", "kind")) => (of("optimizer"), field),
            Some(("optimizer", part)) => (of(part), field),
            Some(("plan", part @ ("steps" | "seed" | "draw_per" | "policy"))) => (of(part), field),
            Some(("plan", part @ ("sampler" | "expander" | "moments"))) => {
                (format!("{} or --recipe", of(part)), field)
            }
            Some(("plan", part)) => (format!("--recipe or --plan ({part})"), field),
            _ => (of(field), field),
        },
    })
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
