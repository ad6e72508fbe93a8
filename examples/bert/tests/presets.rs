//! `--preset` and `--init-from` of `bert`: the published sizes, and options that change defaults.

use std::path::Path;

use apollo_examples::hf;
use apollo_examples::models::bert::BertConfig;
use apollo_examples::options::preset::Preset;
use apollo_examples_testing::biases::linear_biases;
use apollo_examples_testing::{Program, ok, read, table};
use bert::Published::{self, BertBase, BertLarge};
use burn::module::Module;
use burn::tensor::Device;
use clap::ValueEnum;
use serde_json::{Value, json};

/// 30 steps with two growths.
const BERT: Program = Program {
    path: env!("CARGO_BIN_EXE_bert"),
    tiny: "--layers 4 --width 16 --heads 2 --steps 30 --batch 2 --seq 8 --accumulate 2 --checkpoint-every 7",
};

fn shape(preset: Preset, vocabulary: usize) -> BertConfig {
    let Preset { layers, width, heads, positions, .. } = preset;
    let (token_types, dropout, std) = (2, 0.1, 0.02);
    BertConfig { vocabulary, positions, token_types, width, heads, layers, dropout, std }
}

fn tiny_preset() -> Preset {
    Preset { layers: 3, width: 16, heads: 4, positions: 12, ..BertBase.preset() }
}

fn config(dir: &Path) -> Value {
    serde_json::from_str(&read(dir, "config.json")).unwrap()
}

/// Counted with the published vocabulary, which shows the sizes to be the published ones; no weight is drawn.
#[test]
fn presets_have_as_many_parameters_as_the_published_models() {
    let device = Device::flex();
    // BertForMaskedLM: without the pooler, with the head for masked tokens.
    for (name, parameters, batch) in [(BertBase, 109_514_298, 768), (BertLarge, 335_174_458, 768)] {
        let preset = name.preset();
        assert_eq!(shape(preset, 30522).init(&device).num_params(), parameters, "{name:?}");
        assert_eq!(preset.batch * preset.accumulate, batch, "{name:?}");
        assert_eq!(preset.width, 64 * preset.heads, "{name:?}");
    }
}

#[test]
fn a_preset_sets_what_was_not_given() {
    let dir = tempfile::tempdir().unwrap();
    ok(&BERT.tiny(dir.path(), &["--preset", "bert-large"]));
    let config = config(dir.path());
    let given =
        json!({"layers": 4, "width": 16, "heads": 2, "seq": 8, "batch": 2, "accumulate": 2});
    let set = json!({"dropout": 0.1, "init_std": 0.02, "lr": 1e-4, "order": "epochs"});
    for (field, value) in given.as_object().unwrap().iter().chain(set.as_object().unwrap()) {
        assert_eq!(&config[field], value, "{field}");
    }
    let optimizer = json!({"weight_decay": 0.01, "beta2": 0.999, "epsilon": 1e-6, "clip": 1.0});
    assert_eq!(config["optimizer"], optimizer);
    assert_eq!(
        (&config["plan"]["steps"], &config["plan"]["draw_per"]),
        (&json!(30), &json!("micro_batch"))
    );
    assert_eq!(config["plan"]["lr"], json!({"cosine": {"warm_up": 0.025, "end": 0.0}}));
    // The cosine from 1e-4 is nearly at its end, zero; a tenth would be 1e-5.
    let (_, rows) = table(dir.path(), "steps.csv");
    assert!(rows[29][4] < 1e-6, "{}", rows[29][4]);
}

#[test]
fn help_shows_the_defaults_of_a_preset() {
    for preset in Published::value_variants() {
        let (name, layers) = (name(preset), preset.preset().layers);
        for args in [["--help", "--preset", &name], ["--preset", &name, "--help"]] {
            let shown = ok(&BERT.run(&args));
            let line = shown.lines().find(|line| line.contains("--layers")).unwrap();
            assert!(line.contains(&format!("[default: {layers}]")), "{args:?}: {line}");
        }
    }
}

/// A preset as it is written on a command line.
fn name(preset: &impl ValueEnum) -> String {
    preset.to_possible_value().unwrap().get_name().to_owned()
}

#[test]
fn presets_resume_exactly() {
    BERT.resumes_exactly(&["--preset", "bert-base"]);
}

#[test]
fn a_model_of_other_tokens_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = shape(tiny_preset(), 256);
    hf::export_bert(&other, &other.init(&Device::flex()), dir.path()).unwrap();
    let folder = dir.path().to_str().unwrap();
    BERT.refuses(&[(&["--init-from", folder], "a model of 256 tokens, this one has 257")]);
}

#[test]
fn bad_input_is_one_line_and_exit_code_2_before_any_training() {
    BERT.refuses(&[(&["--preset", "gpt2"], "--preset")]);
}

#[test]
fn biases_start_at_zero_as_the_published_ones() {
    let biases = linear_biases(&shape(tiny_preset(), 257).init(&Device::flex()));
    // Six in every layer and two in the head.
    assert_eq!(biases.len(), 20);
    for (name, zero) in biases {
        assert!(zero, "{name}");
    }
}
