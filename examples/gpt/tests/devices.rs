//! `gpt` with a growth on wgpu, against the CPU. Needs a Vulkan driver, a software one at least.
#![cfg(feature = "wgpu")]

use std::path::Path;

use apollo_examples_testing::{Program, ok, summary, table};

const GPT: Program = Program {
    path: env!("CARGO_BIN_EXE_gpt"),
    tiny: "--recipe apollo --optimizer adamw --lr 0.002 --clip inf --layers 4 --width 32 --heads 2 --steps 30 --accumulate 1 --batch 4 --seq 16 --resume",
};

fn gpt(dir: &Path, device: &str, more: &[&str]) {
    ok(&GPT.tiny(dir, &[&["--device", device], more].concat()));
}

fn close(found: &[f64], expected: &[f64], relative: f64) {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1e-3_f64, |m, x| m.max(x.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= relative * size, "losses of the gpt example: {f} against {e}");
    }
}

/// 30 steps with two growths. The CPU makes the first step, for the same weights; then a checkpoint goes on on either
/// device.
#[test]
fn the_gpt_example_agrees_with_the_cpu() {
    let (start, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    gpt(start.path(), "flex", &["--stop-after", "1"]);
    copy(start.path(), other.path());
    let run = |dir: &Path, device: &str| -> (Vec<f64>, Vec<f64>) {
        gpt(dir, device, &[]);
        assert_eq!(summary(dir)["growths"].as_array().unwrap().len(), 2);
        table(dir, "steps.csv").1.into_iter().map(|row| (row[3], row[5])).unzip()
    };
    let (gpu_depths, gpu) = run(start.path(), "wgpu:cpu");
    let (cpu_depths, cpu) = run(other.path(), "flex");
    assert_eq!(gpu_depths, cpu_depths);
    println!("wgpu: {gpu:?}\nflex: {cpu:?}");
    assert_eq!(gpu.len(), 30);
    close(&gpu, &cpu, 1e-3);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(std::fs::copy(&path, &to).unwrap()),
        }
    }
}
