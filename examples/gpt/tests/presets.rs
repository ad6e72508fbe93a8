//! `--preset` and `--init-from` of `gpt`: the published sizes, and options that change defaults.

use std::path::Path;

use apollo_examples::hf;
use apollo_examples::models::bert::BertConfig;
use apollo_examples::models::gpt::GptConfig;
use apollo_examples::options::preset::Preset;
use apollo_examples_testing::biases::linear_biases;
use apollo_examples_testing::{Program, ok, read, refused, table};
use burn::module::Module;
use burn::tensor::Device;
use clap::ValueEnum;
use gpt::Published::{self, Gpt2, Gpt2Large, Gpt2Medium, Gpt2Xl};
use serde_json::{Value, json};

/// 30 steps with two growths.
const GPT: Program = Program {
    path: env!("CARGO_BIN_EXE_gpt"),
    tiny: "--layers 4 --width 16 --heads 2 --steps 30 --batch 2 --seq 8 --accumulate 2 --checkpoint-every 7",
};

fn shape(preset: Preset, vocabulary: usize) -> GptConfig {
    let Preset { layers, width, heads, positions, .. } = preset;
    let (embedding_std, linear_std, dropout) = (0.02, 0.02, 0.1);
    GptConfig { vocabulary, positions, width, heads, layers, embedding_std, linear_std, dropout }
}

fn tiny_preset() -> Preset {
    Preset { layers: 3, width: 16, heads: 4, positions: 12, ..Gpt2.preset() }
}

fn config(dir: &Path) -> Value {
    serde_json::from_str(&read(dir, "config.json")).unwrap()
}

/// Counted with the published vocabulary, which shows the sizes to be the published ones; no weight is drawn.
#[test]
fn presets_have_as_many_parameters_as_the_published_models() {
    let device = Device::flex();
    for (name, parameters, batch) in [
        (Gpt2, 124_439_808, 512),
        (Gpt2Medium, 354_823_168, 512),
        (Gpt2Large, 774_030_080, 512),
        (Gpt2Xl, 1_557_611_200, 512),
    ] {
        let preset = name.preset();
        assert_eq!(shape(preset, 50257).init(&device).num_params(), parameters, "{name:?}");
        assert_eq!(preset.batch * preset.accumulate, batch, "{name:?}");
        assert_eq!(preset.width, 64 * preset.heads, "{name:?}");
    }
}

#[test]
fn a_preset_sets_what_was_not_given() {
    let dir = tempfile::tempdir().unwrap();
    ok(&GPT.tiny(dir.path(), &["--preset", "gpt2-medium"]));
    let config = config(dir.path());
    let given =
        json!({"layers": 4, "width": 16, "heads": 2, "seq": 8, "batch": 2, "accumulate": 2});
    let set = json!({"dropout": 0.1, "init_std": 0.02, "lr": 1e-4, "order": "epochs"});
    for (field, value) in given.as_object().unwrap().iter().chain(set.as_object().unwrap()) {
        assert_eq!(&config[field], value, "{field}");
    }
    let optimizer = json!({"weight_decay": 0.01, "beta2": 0.999, "epsilon": 1e-8, "clip": 1.0});
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
            let shown = ok(&GPT.run(&args));
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
    GPT.resumes_exactly(&["--preset", "gpt2"]);
}

#[test]
fn epochs_decide_the_steps() {
    let dir = tempfile::tempdir().unwrap();
    let (text, out) = (dir.path().join("text"), dir.path().join("run"));
    std::fs::write(&text, "So shaken as we are, ".repeat(100)).unwrap();
    let small = "--preset gpt2 --layers 2 --width 16 --heads 2 --seq 8 --batch 2 --accumulate 3";
    let files = ["--data", text.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let args: Vec<&str> = small.split(' ').chain(files).chain(["--epochs", "2"]).collect();
    ok(&GPT.run(&args));
    // Twice 249 windows of 95 % of 2100 bytes, 125 batches each, three in a step.
    assert_eq!(config(&out)["plan"]["steps"], 84);
    ok(&GPT.run(&[&args[..], &["--resume"]].concat()));
}

#[test]
fn a_folder_gives_the_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, out) = (dir.path().join("model"), dir.path().join("run"));
    let model = GptConfig { dropout: 0.25, ..shape(tiny_preset(), 256) };
    hf::export_gpt2(&model, &model.init(&Device::flex()), &folder).unwrap();
    let run = |more: &[&str]| {
        let args = ["--init-from", folder.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let short = ["--steps", "20", "--batch", "2", "--accumulate", "1", "--overwrite"];
        GPT.run(&[&args[..], &short, more].concat())
    };
    for more in [&[][..], &["--preset", "gpt2-xl"]] {
        ok(&run(more));
        let config = config(&out);
        for (field, value) in
            [("layers", json!(3)), ("width", json!(16)), ("heads", json!(4)), ("seq", json!(12))]
        {
            assert_eq!(config[field], value, "{more:?}: {field}");
        }
        assert_eq!(config["dropout"], 0.25, "{more:?}");
    }
    let line = refused(&run(&["--init-std", "0.1"]));
    assert!(line.contains("--init-std: is of no use here"), "{line}");
    for option in [["--layers", "4"], ["--width", "32"], ["--heads", "2"], ["--dropout", "0"]] {
        let line = refused(&run(&option));
        assert!(line.contains("needs --layers 3 --width 16 --heads 4 --seq 12"), "{line}");
    }
}

#[test]
fn a_model_of_other_tokens_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let other = shape(tiny_preset(), 300);
    hf::export_gpt2(&other, &other.init(&device), &dir.path().join("gpt")).unwrap();
    let Preset { layers, width, heads, positions, .. } = tiny_preset();
    let (vocabulary, token_types, dropout, std) = (256, 2, 0.1, 0.02);
    let other =
        BertConfig { vocabulary, positions, token_types, width, heads, layers, dropout, std };
    hf::export_bert(&other, &other.init(&device), &dir.path().join("bert")).unwrap();
    let from = |folder: &str| dir.path().join(folder).to_str().unwrap().to_owned();
    let (gpt, bert) = (from("gpt"), from("bert"));
    GPT.refuses(&[
        (&["--init-from", &gpt], "a model of 300 tokens, this one has 256"),
        (&["--init-from", &bert], "model_type is \"bert\", expected \"gpt2\""),
    ]);
}

#[test]
fn bad_input_is_one_line_and_exit_code_2_before_any_training() {
    GPT.refuses(&[
        (&["--preset", "gpt3"], "--preset"),
        (&["--preset", "bert-base"], "--preset"),
        (&["--preset", "gpt2", "--heads", "3"], "--heads 3 must divide"),
        (&["--preset", "gpt2", "--epochs", "1"], "--epochs"),
        (&["--epochs", "0"], "--epochs"),
        (&["--min-lr", "0.02"], "--min-lr 0.02 is above --lr 0.01"),
        (&["--min-lr", "-1"], "-1"),
        (&["--init-std", "0"], "--init-std"),
        (&["--beta2", "1"], "--beta2"),
        (&["--beta2", "0.99999999999"], "--beta2"),
        (&["--epsilon", "0"], "--epsilon"),
        (&["--epsilon", "nan"], "--epsilon"),
        (&["--weight-decay", "inf"], "--weight-decay"),
    ]);
}

#[test]
fn biases_start_at_zero_as_the_published_ones() {
    let biases = linear_biases(&shape(tiny_preset(), 256).init(&Device::flex()));
    // Four in every block.
    assert_eq!(biases.len(), 12);
    for (name, zero) in biases {
        assert!(zero, "{name}");
    }
}
