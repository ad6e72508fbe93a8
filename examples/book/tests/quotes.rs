//! Pages quote this file where their code is a few lines of a longer one: it compiles, and pages and file say the same.

use std::error::Error;
use std::path::Path;

use apollo_examples::hf;
use apollo_examples::models::gpt::Gpt;
use apollo_examples::text::corpus::windows::{Window, WindowsBatcher};
use apollo_examples::text::corpus::{Batch, Corpus};
use burn::tensor::Device;
use burn_apollo::Apollo;
use burn_apollo::data::{DataPosition, ShuffledLoader};

#[allow(dead_code)]
fn windows(
    path: &Path,
    seq: usize,
    seed: u64,
) -> Result<ShuffledLoader<Window, Batch>, Box<dyn Error>> {
    // data.md:
    let corpus = Corpus::read(path, seq)?;
    let loader =
        ShuffledLoader::new(corpus.windows(seq), WindowsBatcher, 32, DataPosition::start(seed))?;
    // (end)
    Ok(loader)
}

#[allow(dead_code)]
fn hugging_face(
    dir: &Path,
    train: impl Fn(Gpt) -> Apollo<Gpt>,
    device: Device,
) -> Result<(), Box<dyn Error>> {
    // hugging-face.md:
    let (config, model) = hf::import_gpt2(dir, &device)?;
    // …
    let apollo = train(model);
    // …
    hf::export_gpt2(&config, &apollo.into_inner()?, dir)?;
    // (end)
    Ok(())
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn pages_quote_this_file() {
    let file = include_str!("quotes.rs");
    for page in ["data.md", "hugging-face.md"] {
        let (_, code) = file.split_once(&format!("// {page}:\n")).unwrap();
        let (code, _) = code.split_once("// (end)").unwrap();
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let text = without_space(&std::fs::read_to_string(docs.join(page)).unwrap());
        let parts: Vec<&str> = code.split("// …").collect();
        // What lies between two marks is another's.
        for part in parts.iter().step_by(2) {
            assert!(text.contains(&without_space(part)), "docs/{page} does not quote {part}");
        }
    }
}
