//! Pages quote this file where their code is a few lines of a longer one: it compiles, and pages and file say the same.

use std::error::Error;
use std::path::Path;

use apollo_examples::hf;
use apollo_examples::models::gpt::Gpt;
use apollo_examples::text::corpus::windows::{Window, WindowsBatcher};
use apollo_examples::text::corpus::{Batch, Corpus};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
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

/// Blocks of an own kind, as README has them.
#[derive(Module, Debug)]
struct Block {
    linear: Linear,
}

impl Block {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.linear.forward(x)
    }
}

fn readme(
    device: &Device,
    steps: u64,
    lr: f64,
    batches: impl Iterator<Item = Tensor<2>>,
) -> Result<usize, Box<dyn Error>> {
    // README.md:
    use burn_apollo::recipe::Setting;
    use burn_apollo::{Apollo, LayerStack, Recipe, growable};

    #[derive(Module, Debug)]
    struct Net {
        blocks: LayerStack<Block>, // was Vec<Block>; `for block in &self.blocks` stays
        head: Linear,
    }

    growable!(Net { blocks });
    // …
    impl Net {
        fn loss(&self, mut x: Tensor<2>) -> Tensor<1> {
            for block in &self.blocks {
                x = block.forward(x);
            }
            self.head.forward(x).powi_scalar(2).mean()
        }
    }
    let linear = || LinearConfig::new(4, 4).init(device);
    let blocks = (0..12).map(|_| Block { linear: linear() }).collect();
    let net = Net { blocks, head: linear() };
    let mut optim = AdamWConfig::new().init();
    // …
    // In the training function: a plan for the optimizer steps of the run and the layers of the full model.
    let plan = Recipe::by_name("gradual")?.plan(&Setting::new(steps, &[12]))?;
    let mut scheduler = plan.lr.scheduler(lr, plan.steps)?; // the recipe's shape of the learning rate, below its peak
    let mut apollo = Apollo::new(net, plan)?;
    for batch in batches {
        let loss = apollo.model().loss(batch);
        let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
        let report = apollo.update(&mut optim, scheduler.step(), grads)?; // was net = optim.step(lr, net, grads)
        if let Some(growth) = report.growth {
            println!("{growth}"); // stage 1 from step 200: layers 3 → 6 …
        }
    }
    let net = apollo.into_inner()?; // the plain model at full depth
    // (end)
    Ok(net.blocks.len())
}

#[test]
fn what_readme_says_runs() {
    let device = Device::flex().autodiff();
    let batches = (0..10).map(|_| Tensor::ones([2, 4], &device));
    assert_eq!(readme(&device, 10, 0.01, batches).unwrap(), 12);
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn pages_quote_this_file() {
    let file = include_str!("quotes.rs");
    for page in ["data.md", "hugging-face.md", "README.md"] {
        let (_, code) = file.split_once(&format!("// {page}:\n")).unwrap();
        let (code, _) = code.split_once("// (end)").unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = if page == "README.md" { root } else { root.join("docs") };
        let text = without_space(&std::fs::read_to_string(folder.join(page)).unwrap());
        let parts: Vec<&str> = code.split("// …").collect();
        // What lies between two marks is another's.
        for part in parts.iter().step_by(2) {
            assert!(text.contains(&without_space(part)), "docs/{page} does not quote {part}");
        }
    }
}
