//! Options beside each other: each pair is taken and both count, or one is refused with the reason.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use apollo_examples::models::gpt::{GptConfig, OUTPUT_PROJECTIONS};
use apollo_examples::{Failure, NotParsed, hf, parse};
use apollo_examples_testing::sub_words::words;
use burn::tensor::Device;
use clap::CommandFactory;
use gpt::{DEFAULTS, Options, derived};
use tempfile::TempDir;

/// Options with a value that is not the default, one a line, and what they need beside them; `DIR` is a folder of files.
const SAMPLES: &str = "\
--preset gpt2
--data DIR/text
--order epochs
--layers 4
--width 64
--heads 4
--seq 32
--dropout 0.2
--init-std 0.05
--prepare DIR/tokens
--vocabulary 300
--allow-unknown --vocabulary DIR/words.json
--pad-vocabulary 300
--epochs 2
--init-from DIR/model
--export DIR/export
--out DIR/out
--device flex
--steps 50
--batch 3
--accumulate 1
--lr 0.02
--lr-shape constant
--lr-shape cosine
--warm-up 0.1
--decay 0.3
--min-lr 0.00003
--optimizer adamw
--clip 2
--weight-decay 0.2
--beta2 0.9
--epsilon 1e-7
--seed 3
--not-finite skip
--checkpoint-every 9
--keep 5
--keep-best 1
--workers 2
--tensorboard
--resume
--overwrite
--stop-after 5
--recipe apollo_uniform
--recipe scratch_cosine
--policy plateau
--sampler sigmoid
--sampler constant-high
--draw-per micro-batch --sampler sigmoid
--expander stacking
--zeroed attn.c_proj
--moments reset
--schedule DIR/schedule.toml
--from-scratch
--plan DIR/plan.toml
--generate ROMEO
--length 9
--temperature 0
";

/// What asks for that which the other sample stands for too.
const SAME: [&str; 9] = [
    "--from-scratch beside --init-from",
    "--from-scratch beside --recipe=scratch_cosine",
    "--lr-shape=cosine beside --preset",
    "--lr-shape=cosine beside --recipe=scratch_cosine",
    "--optimizer beside --preset",
    "--order beside --preset",
    "--sampler=constant-high beside --draw-per",
    "--sampler=sigmoid beside --draw-per",
    "--vocabulary beside --allow-unknown",
];

/// A name for each sample, and its words.
fn samples(dir: &TempDir) -> BTreeMap<String, Vec<OsString>> {
    let at = |name: &str| dir.path().join(name);
    fs::write(at("text"), "to be or not to be").unwrap();
    fs::write(at("words.json"), words()).unwrap();
    let stages = "[[stages]]\nlayers = 2\nuntil = { step = 7 }\n[[stages]]\nlayers = 12\n";
    fs::write(at("schedule.toml"), stages).unwrap();
    fs::write(at("plan.toml"), "steps = 20\n").unwrap();
    let model = GptConfig {
        vocabulary: 256,
        positions: 64,
        width: 32,
        heads: 2,
        layers: 12,
        embedding_std: 0.1,
        linear_std: 0.1,
        dropout: 0.0,
    };
    hf::export_gpt2(&model, &model.init(&Device::flex()), &at("model")).unwrap();
    let dir = dir.path().to_str().unwrap();
    let sample = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let varied = matches!(words[0], "--lr-shape" | "--recipe" | "--sampler");
        let name = if varied { words[..2].join("=") } else { words[0].to_owned() };
        (name, line.replace("DIR", dir).split(' ').map(OsString::from).collect())
    };
    SAMPLES.lines().map(sample).collect()
}

/// The options of two samples, or why there are none.
fn options(one: &[OsString], other: &[OsString]) -> Result<Options, String> {
    let line = [&["gpt".into()], one, other].concat();
    parse(&DEFAULTS, derived, line).map_err(|e| match e {
        NotParsed::Failure(Failure::Usage(why)) => why,
        e => panic!("{one:?} {other:?}: {e:?}"),
    })
}

/// What a run with these options is a function of, but for the text.
fn run(options: &Options) -> String {
    let plan =
        options.plan.plan(&options.run, &[options.text.text.layers as usize], &OUTPUT_PROJECTIONS);
    let config = options.run.config((), plan.unwrap());
    format!("{config:?} {:?} {:?}", options.text, options.temperature)
}

#[test]
fn every_pair_of_options_counts_or_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let samples = samples(&dir);
    for arg in Options::command().get_arguments().filter_map(|arg| arg.get_long()) {
        let arg = format!("--{arg}");
        assert!(samples.keys().any(|name| name.split('=').next() == Some(&arg)), "no {arg}");
    }
    let (mut refused, mut idle) = (String::new(), Vec::new());
    let alone: BTreeMap<&str, Options> =
        samples.iter().map(|(name, words)| (name.as_str(), options(words, &[]).unwrap())).collect();
    let nothing = run(&options(&[], &[]).unwrap());
    for (one, words) in &samples {
        let mut beside = Vec::new();
        for (other, others) in
            samples.iter().filter(|(other, _)| one.split('=').next() != other.split('=').next())
        {
            match options(words, others) {
                Err(why) => {
                    let why = why.strip_prefix(one.split('=').next().unwrap());
                    if why.is_some_and(|why| why.starts_with(": is of no use here: ")) {
                        beside.push(other.as_str());
                    }
                }
                // Beside the other, it changes the run as it does alone.
                Ok(both) => {
                    let alone = |name: &str| run(&alone[name]);
                    if alone(one) != nothing && run(&both) == alone(other) {
                        idle.push(format!("{one} beside {other}"));
                    }
                }
            }
        }
        if !beside.is_empty() {
            refused += &format!("{one}: {}\n", beside.join(" "));
        }
    }
    assert_eq!(idle, SAME, "options that are taken and change nothing");
    let table = include_str!("data/of-no-use.txt");
    assert!(refused == table, "options that are refused, each with those beside it:\n{refused}");
}

#[test]
fn what_is_of_no_use_is_said_with_the_reason() {
    let line = |line: &str| {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        options(&words, &[]).map(|_| String::new()).unwrap_or_else(|why| why)
    };
    for (given, said) in [
        ("--lr-shape constant --decay 0.3", "--decay: is of no use here: the learning rate stays"),
        (
            "--recipe apollo --decay 0.3",
            "--decay: is of no use here: the learning rate falls by one cosine",
        ),
        (
            "--recipe scratch --sampler uniform",
            "--sampler: is of no use here: all layers are there",
        ),
        (
            "--draw-per micro-batch",
            "--draw-per: is of no use here: the depth follows from the stage alone",
        ),
        (
            "--export x --lr 0.1",
            "--lr: is of no use here: --export writes the run in --out as it is",
        ),
        (
            "--allow-unknown --vocabulary 300",
            "--allow-unknown: is of no use here: it is for a tokenizer.json",
        ),
        // No option of the command line, but of the preset.
        ("--preset gpt2 --lr-shape constant", ""),
        ("--preset gpt2 --recipe g_stack", ""),
        ("--preset gpt2 --decay 0.3 --lr-shape warmup-stable-decay", ""),
    ] {
        let found = line(given);
        assert!(found.starts_with(said) && found.is_empty() == said.is_empty(), "{given}: {found}");
    }
}
