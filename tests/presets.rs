//! `--preset` and `--init-from` of `gpt` and `bert`: the published sizes, and options that change defaults. `cargo test`
//! builds the programs first.

#[path = "../examples/bert/preset.rs"]
mod bert_preset;
#[path = "../examples/common/mod.rs"]
mod common;
#[path = "../examples/gpt/preset.rs"]
mod gpt_preset;
mod program;

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use clap::ValueEnum;
use common::bert::BertConfig;
use common::gpt::GptConfig;
use common::hf;
use common::preset::Preset;
use program::{Program, ok, read, refused, table};
use serde_json::{Value, json};

/// 30 steps with two growths.
const GPT: Program = Program {
    name: "gpt",
    tiny: "--layers 4 --width 16 --heads 2 --steps 30 --batch 2 --seq 8 --accumulate 2 --checkpoint-every 7",
};
const BERT: Program = Program { name: "bert", ..GPT };

fn gpt(preset: Preset, vocabulary: usize) -> GptConfig {
    let Preset { layers, width, heads, positions, .. } = preset;
    let (embedding_std, linear_std, dropout) = (0.02, 0.02, 0.1);
    GptConfig { vocabulary, positions, width, heads, layers, embedding_std, linear_std, dropout }
}

fn bert(preset: Preset, vocabulary: usize) -> BertConfig {
    let Preset { layers, width, heads, positions, .. } = preset;
    let (token_types, dropout, std) = (2, 0.1, 0.02);
    BertConfig { vocabulary, positions, token_types, width, heads, layers, dropout, std }
}

fn config(dir: &Path) -> Value {
    serde_json::from_str(&read(dir, "config.json")).unwrap()
}

/// Counted with the published vocabularies, which shows the sizes to be the published ones; no weight is drawn.
#[test]
fn presets_have_as_many_parameters_as_the_published_models() {
    use bert_preset::Published::{BertBase, BertLarge};
    use gpt_preset::Published::{Gpt2, Gpt2Large, Gpt2Medium, Gpt2Xl};
    let device = Device::flex();
    for (name, parameters, batch) in [
        (Gpt2, 124_439_808, 512),
        (Gpt2Medium, 354_823_168, 512),
        (Gpt2Large, 774_030_080, 512),
        (Gpt2Xl, 1_557_611_200, 512),
    ] {
        let preset = name.preset();
        assert_eq!(gpt(preset, 50257).init(&device).num_params(), parameters, "{name:?}");
        assert_eq!(preset.batch * preset.accumulate, batch, "{name:?}");
        assert_eq!(preset.width, 64 * preset.heads, "{name:?}");
    }
    // BertForMaskedLM: without the pooler, with the head for masked tokens.
    for (name, parameters, batch) in [(BertBase, 109_514_298, 768), (BertLarge, 335_174_458, 768)] {
        let preset = name.preset();
        assert_eq!(bert(preset, 30522).init(&device).num_params(), parameters, "{name:?}");
        assert_eq!(preset.batch * preset.accumulate, batch, "{name:?}");
        assert_eq!(preset.width, 64 * preset.heads, "{name:?}");
    }
}

#[test]
fn a_preset_sets_what_was_not_given() {
    for (program, name, beta2, epsilon) in
        [(&GPT, "gpt2-medium", 0.999, 1e-8), (&BERT, "bert-large", 0.999, 1e-6)]
    {
        let dir = tempfile::tempdir().unwrap();
        ok(&program.tiny(dir.path(), &["--preset", name]));
        let config = config(dir.path());
        let given = json!({"layers": 4, "width": 16, "heads": 2, "seq": 8, "steps": 30, "batch": 2, "accumulate": 2});
        let set = json!({"dropout": 0.1, "init_std": 0.02, "lr": 1e-4, "order": "epochs"});
        for (field, value) in given.as_object().unwrap().iter().chain(set.as_object().unwrap()) {
            assert_eq!(&config[field], value, "{name}: {field}");
        }
        let optimizer =
            json!({"weight_decay": 0.01, "beta2": beta2, "epsilon": epsilon, "min_lr": 0.0});
        assert_eq!(config["optimizer"], optimizer, "{name}");
        assert_eq!(config["plan"]["draw_per"], "micro_batch", "{name}");
        // The cosine from 1e-4 is nearly at its end, zero; a tenth would be 1e-5.
        let (_, rows) = table(dir.path(), "steps.csv");
        assert!(rows[29][4] < 1e-6, "{name}: {}", rows[29][4]);
    }
}

#[test]
fn help_shows_the_defaults_of_a_preset() {
    let shows = |program: &Program, name: &str, layers: usize| {
        for args in [["--help", "--preset", name], ["--preset", name, "--help"]] {
            let shown = ok(&program.run(&args));
            let line = shown.lines().find(|line| line.contains("--layers")).unwrap();
            assert!(line.contains(&format!("[default: {layers}]")), "{args:?}: {line}");
        }
    };
    for preset in gpt_preset::Published::value_variants() {
        shows(&GPT, &name(preset), preset.preset().layers);
    }
    for preset in bert_preset::Published::value_variants() {
        shows(&BERT, &name(preset), preset.preset().layers);
    }
}

/// A preset as it is written on a command line.
fn name(preset: &impl ValueEnum) -> String {
    preset.to_possible_value().unwrap().get_name().to_owned()
}

#[test]
fn presets_resume_exactly() {
    GPT.resumes_exactly(&["--preset", "gpt2"]);
    BERT.resumes_exactly(&["--preset", "bert-base"]);
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
    assert_eq!(config(&out)["steps"], 84);
    ok(&GPT.run(&[&args[..], &["--resume"]].concat()));
}

#[test]
fn a_folder_gives_the_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, out) = (dir.path().join("model"), dir.path().join("run"));
    let shape = GptConfig { dropout: 0.25, ..gpt(tiny_preset(), 256) };
    hf::export_gpt2(&shape, &shape.init(&Device::flex()), &folder).unwrap();
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
    assert!(line.contains("cannot be used with '--init-std"), "{line}");
    for option in [["--layers", "4"], ["--width", "32"], ["--heads", "2"], ["--dropout", "0"]] {
        let line = refused(&run(&option));
        assert!(line.contains("needs --layers 3 --width 16 --heads 4 --seq 12"), "{line}");
    }
}

#[test]
fn a_model_of_other_tokens_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let shape = gpt(tiny_preset(), 300);
    hf::export_gpt2(&shape, &shape.init(&device), &dir.path().join("gpt")).unwrap();
    let shape = bert(tiny_preset(), 256);
    hf::export_bert(&shape, &shape.init(&device), &dir.path().join("bert")).unwrap();
    let from = |folder: &str| dir.path().join(folder).to_str().unwrap().to_owned();
    let (gpt, bert) = (from("gpt"), from("bert"));
    GPT.refuses(&[
        (&["--init-from", &gpt], "a model of 300 tokens, this one has 256"),
        (&["--init-from", &bert], "model_type is \"bert\", expected \"gpt2\""),
    ]);
    BERT.refuses(&[(&["--init-from", &bert], "a model of 256 tokens, this one has 257")]);
}

fn tiny_preset() -> Preset {
    Preset { layers: 3, width: 16, heads: 4, positions: 12, ..gpt_preset::Published::Gpt2.preset() }
}

#[test]
fn bad_input_is_one_line_and_exit_code_2_before_any_training() {
    GPT.refuses(&[
        (&["--preset", "gpt3"], "--preset"),
        (&["--preset", "bert-base"], "--preset"),
        (&["--preset", "gpt2", "--heads", "3"], "--heads 3 must divide"),
        (&["--preset", "gpt2", "--epochs", "1"], "--epochs"),
        (&["--epochs", "0"], "--epochs"),
        (&["--min-lr", "0.01"], "--min-lr 0.01 is above --lr 0.002"),
        (&["--min-lr", "-1"], "-1"),
        (&["--init-std", "0"], "--init-std"),
        (&["--beta2", "1"], "--beta2"),
        (&["--beta2", "0.99999999999"], "--beta2"),
        (&["--epsilon", "0"], "--epsilon"),
        (&["--epsilon", "nan"], "--epsilon"),
        (&["--weight-decay", "inf"], "--weight-decay"),
    ]);
    BERT.refuses(&[(&["--preset", "gpt2"], "--preset")]);
}

/// Names of the biases, and whether all of their numbers are zero.
#[derive(Default)]
struct Biases {
    path: Vec<String>,
    linear: Vec<(String, bool)>,
}

impl ModuleVisitor for Biases {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.last().is_some_and(|name| name == "bias") {
            let zero = param.val().into_data().iter::<f32>().all(|x| x == 0.0);
            self.linear.push((self.path.join("."), zero));
        }
    }
}

#[test]
fn biases_start_at_zero_as_the_published_ones() {
    let device = Device::flex();
    let (mut gpt_biases, mut bert_biases) = (Biases::default(), Biases::default());
    gpt(tiny_preset(), 256).init(&device).visit(&mut gpt_biases);
    bert(tiny_preset(), 257).init(&device).visit(&mut bert_biases);
    // Four in every block of GPT-2, six in every layer of BERT and two in its head.
    assert_eq!((gpt_biases.linear.len(), bert_biases.linear.len()), (12, 20));
    for (name, zero) in gpt_biases.linear.into_iter().chain(bert_biases.linear) {
        assert!(zero, "{name}");
    }
}
