//! `model.safetensors`: names and layout of its tensors, by burn-store's key remapping and adapters.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::{
    ApplyError, ApplyResult, BurnToPyTorchAdapter, FloatCastAdapter, KeyRemapper, ModuleAdapter,
    ModuleSnapshot, ModuleStore, PathFilter, PyTorchToBurnAdapter, SafetensorsStore, bridge,
};
use burn::tensor::DType;
use burn_pack::{AtomicFile, Tensor};
use serde::Deserialize;

use crate::{Failure, regular, run_error, usage};

/// The file of a model's weights, and the one that says which of several holds what.
pub const WEIGHTS: &str = "model.safetensors";
pub const INDEX: &str = "model.safetensors.index.json";

/// How a model's tensors are named and laid out in its file.
pub struct Layout {
    kind: &'static str,
    /// Patterns that lead from a file's names to the model's paths, without what PyTorch's wrappers put before them, and back.
    import: &'static [(&'static str, &'static str)],
    export: &'static [(&'static str, &'static str)],
    /// Whether linear weights lie `[out, in]`, as PyTorch's `Linear` has them and Burn's has not.
    pub transposed: bool,
    /// The paths of the token and the position embedding, and the one that holds the numbered layers.
    tokens: &'static str,
    positions: &'static str,
    layers: &'static str,
    /// What the paths of the head begin with, if it has weights of its own, and the model that is saved with it.
    head: Option<(&'static str, &'static str)>,
    /// What released files hold that the model does not need: masks as buffers, other heads.
    unneeded: &'static [&'static str],
    /// Tensors that older files hold a second time, and the path of the first.
    tied: &'static [(&'static str, &'static str)],
}

/// The sizes by which a configuration and a model are told to belong together.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub vocabulary: usize,
    pub positions: usize,
    pub width: usize,
    pub layers: usize,
}

/// GPT-2. Its linear weights are `Conv1D`'s, which lie `[in, out]` as Burn's do.
pub const GPT2: Layout = Layout {
    kind: "gpt2",
    import: &[
        (r"^transformer\.", ""),
        (r"\b(ln_[12f])\.weight$", "$1.gamma"),
        (r"\b(ln_[12f])\.bias$", "$1.beta"),
    ],
    export: &[
        (r"\.gamma$", ".weight"),
        (r"\.beta$", ".bias"),
        (r"^(wte|wpe|h|ln_f)\.", "transformer.$1."),
    ],
    transposed: false,
    tokens: "wte.weight",
    positions: "wpe.weight",
    layers: "h",
    head: None,
    unneeded: &[r"^h\.\d+\.attn\.(masked_)?bias$"],
    tied: &[("lm_head.weight", "wte.weight")],
};

/// BERT for masked language modelling. Its oldest files call a norm's weight and bias gamma and beta.
pub const BERT: Layout = Layout {
    kind: "bert",
    import: &[
        (r"^bert\.", ""),
        (r"^encoder\.", ""),
        (r"^cls\.predictions\.", "head."),
        (r"\.attention\.self\.", ".attention."),
        (r"\.intermediate\.dense\.", ".intermediate."),
        (r"\.LayerNorm\.(weight|gamma)$", ".layer_norm.gamma"),
        (r"\.LayerNorm\.(bias|beta)$", ".layer_norm.beta"),
    ],
    export: &[
        (r"\.layer_norm\.(weight|gamma)$", ".LayerNorm.weight"),
        (r"\.layer_norm\.(bias|beta)$", ".LayerNorm.bias"),
        (r"\.intermediate\.", ".intermediate.dense."),
        (r"\.attention\.(query|key|value)\.", ".attention.self.$1."),
        (r"^head\.", "cls.predictions."),
        (r"^layer\.", "bert.encoder.layer."),
        (r"^(embeddings|pooler)\.", "bert.$1."),
    ],
    transposed: true,
    tokens: "embeddings.word_embeddings.weight",
    positions: "embeddings.position_embeddings.weight",
    layers: "layer",
    head: Some(("head.", "BertForMaskedLM")),
    unneeded: &[r"^pooler\.", r"^cls\.seq_relationship\.", r"^embeddings\.position_ids$"],
    tied: &[
        ("head.decoder.weight", "embeddings.word_embeddings.weight"),
        ("head.decoder.bias", "head.bias"),
    ],
};

/// What data parallel training and compilation put before every name.
const WRAPPERS: (&str, &str) = (r"^((_fsdp_wrapped_)?module\.|_orig_mod\.)+", "");

fn remapper(patterns: &[(&str, &str)]) -> KeyRemapper {
    let patterns = [&[WRAPPERS], patterns].concat();
    KeyRemapper::from_patterns(patterns).expect("the layouts' patterns are valid")
}

impl Layout {
    /// The store that reads such a file under the model's paths.
    fn store(&self, file: &Path) -> SafetensorsStore {
        SafetensorsStore::from_file(file).remap(remapper(self.import))
    }

    /// Gives `model` these tensors, of which it has all or some: in Burn's layout, as 32-bit floats.
    fn apply(&self, tensors: Vec<Tensor>, model: &mut impl Module) -> ApplyResult {
        let cast = FloatCastAdapter::to(DType::F32);
        let adapter: Box<dyn ModuleAdapter> = match self.transposed {
            true => Box::new(PyTorchToBurnAdapter.chain(cast)),
            false => Box::new(cast),
        };
        model.apply(tensors, None, Some(adapter), false)
    }

    /// Gives `model` what a file holds of it.
    pub fn load_part(&self, file: &Path, model: &mut impl Module) -> Result<ApplyResult, Failure> {
        let failed = |e| usage(format!("{}: {}", file.display(), one_line(&e)));
        let mut store = self.store(file);
        let tensors = store.get_all_tensors().map_err(failed)?;
        Ok(self.apply(tensors.values().cloned().collect(), model))
    }

    /// A path in the model as the file names it, in one line whatever it holds.
    pub fn file_name(&self, path: &str) -> String {
        let patterns = remapper(self.export).patterns;
        let name = patterns.iter().fold(path.to_owned(), |name, (pattern, to)| {
            pattern.replace_all(&name, to.as_str()).into_owned()
        });
        name.escape_debug().to_string()
    }

    /// What tells that tensors of these paths and shapes are not those of a model of `sizes`.
    fn mismatch(&self, found: &BTreeMap<String, Vec<usize>>, sizes: Sizes) -> Option<String> {
        let Sizes { vocabulary, positions, width, layers } = sizes;
        let starts = |start: &str| found.keys().any(|path| path.starts_with(start));
        for (path, expected) in
            [(self.tokens, [vocabulary, width]), (self.positions, [positions, width])]
        {
            let name = self.file_name(path);
            match found.get(path) {
                Some(found) if *found == expected => {}
                Some(found) => {
                    return Some(format!("{name} has shape {found:?}, expected {expected:?}"));
                }
                None => return Some(format!("there is no tensor {name}")),
            }
        }
        if let Some((head, name)) = self.head.filter(|(head, _)| !starts(head)) {
            let head = self.file_name(head);
            return Some(format!("there is no tensor {head}* of the head that a {name} has"));
        }
        let number = |path: &String| {
            let rest = path.strip_prefix(self.layers)?.strip_prefix('.')?;
            Some(rest.split('.').next()?.to_owned())
        };
        let found = found.keys().filter_map(number).collect::<BTreeSet<_>>().len();
        (found != layers).then(|| format!("the number of layers is {found}, expected {layers}"))
    }

    /// Writes the tensors of `model`, which has these sizes. The file is marked as PyTorch's:
    /// `transformers` 4 refuses the mark that burn-store makes.
    pub fn save(&self, model: &impl Module, sizes: Sizes, dir: &Path) -> Result<(), Failure> {
        let tensors = model.collect(None, None, false);
        let shapes = tensors.into_iter().map(|t| (t.name, t.shape.to_vec())).collect();
        if let Some(mismatch) = self.mismatch(&shapes, sizes) {
            return Err(usage(format!("{}: the model to write: {mismatch}", dir.display())));
        }
        fs::create_dir_all(dir)
            .map_err(|e| usage(format!("{}: cannot be made: {e}", dir.display())))?;
        let file = dir.join(WEIGHTS);
        let failed = |e: &dyn Display| run_error(format!("{}: {}", file.display(), one_line(&e)));
        // The store's own files are for their owner alone; over another one they take its permissions, here the usual ones.
        let (scratch, _) = AtomicFile::create(&file).map_err(|e| failed(&e))?;
        let mut store = SafetensorsStore::from_file(scratch.path())
            .clear_metadata()
            .metadata("format", "pt")
            .overwrite(true)
            .remap(remapper(self.export));
        if self.transposed {
            store = store.with_to_adapter(BurnToPyTorchAdapter);
        }
        model.save_into(&mut store).map_err(|e| failed(&e))?;
        scratch.commit().map_err(|e| failed(&e))
    }
}

/// The files of the weights in a model's folder: one, or those that an index names.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let (file, index) = (dir.join(WEIGHTS), dir.join(INDEX));
    let said =
        |path: &Path, e: &dyn Display| usage(format!("{}: {}", path.display(), one_line(&e)));
    if !file.exists() && index.exists() {
        #[derive(Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        regular(&index).map_err(|e| said(&index, &e))?;
        let text = fs::read_to_string(&index).map_err(|e| said(&index, &e))?;
        let found: Index = serde_json::from_str(&text).map_err(|e| said(&index, &e))?;
        let names: BTreeSet<String> = found.weight_map.into_values().collect();
        if let Some(name) =
            names.iter().find(|name| Path::new(name).file_name() != Some(OsStr::new(name)))
        {
            return Err(said(&index, &format!("names {name:?}, which is no file of this folder")));
        }
        let files: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
        let checked = files.iter().try_for_each(|file| match regular(file) {
            Ok(_) => Ok(()),
            Err(e) => Err(said(file, &e)),
        });
        return checked.map(|()| files);
    }
    match (regular(&file), others(dir)) {
        (Ok(_), _) => Ok(vec![file]),
        (Err(_), Some(other)) if !file.exists() => Err(said(
            &file,
            &format!("is not there, but {other}; in Python, a model's save_pretrained writes it"),
        )),
        (Err(e), _) => Err(said(&file, &e)),
    }
}

/// A file of weights that is none of those that are read.
fn others(dir: &Path) -> Option<String> {
    const KINDS: [&str; 8] = ["safetensors", "bin", "pt", "pth", "ckpt", "h5", "msgpack", "gguf"];
    let names = fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut weights = names
        .filter(|path| path.extension().is_some_and(|end| KINDS.iter().any(|kind| end == *kind)));
    Some(weights.next()?.file_name()?.to_string_lossy().escape_debug().to_string())
}

/// The weights in a model's folder.
pub struct Weights<'a> {
    layout: &'a Layout,
    /// The file, or the folder of several.
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

impl<'a> Weights<'a> {
    /// Opens the files, which must be whole, hold no tensor twice, and have these sizes: so a hostile
    /// configuration builds no model that they do not pay for.
    pub fn open(layout: &'a Layout, dir: &Path, sizes: Sizes) -> Result<Self, Failure> {
        let files = files(dir)?;
        let (mut tensors, mut in_files) = (BTreeMap::new(), 0);
        for file in &files {
            let failed = |e| usage(format!("{}: {}", file.display(), one_line(&e)));
            in_files += SafetensorsStore::from_file(file).keys().map_err(failed)?.len();
            tensors.append(&mut layout.store(file).get_all_tensors().map_err(failed)?.clone());
        }
        let shapes = tensors.iter().map(|(k, t)| (k.clone(), t.shape.to_vec())).collect();
        let path = if let [file] = &files[..] { file.clone() } else { dir.to_owned() };
        let weights = Self { layout, path, tensors };
        if weights.tensors.len() != in_files {
            return Err(weights.failure("holds a tensor under two names"));
        }
        match layout.mismatch(&shapes, sizes) {
            None => Ok(weights),
            Some(mismatch) => Err(weights.unfit(&mismatch)),
        }
    }

    fn failure(&self, message: impl Display) -> Failure {
        usage(format!("{}: {message}", self.path.display()))
    }

    fn unfit(&self, mismatch: &str) -> Failure {
        self.failure(format!("does not fit config.json: {mismatch}"))
    }

    /// Fills `model`, of which the files must hold all and nothing else, in finite numbers.
    pub fn load(self, model: &mut impl Module) -> Result<(), Failure> {
        self.expect_tied()?;
        self.complete(&self.layout.apply(self.tensors.values().cloned().collect(), model))?;
        for tensor in model.collect(None, None, false) {
            let data = bridge::to_data(&tensor).map_err(|e| self.failure(one_line(&e)))?;
            if let Some(bad) = data.iter::<f32>().find(|x| !x.is_finite()) {
                let name = self.layout.file_name(&tensor.name);
                return Err(
                    self.failure(format!("{name} holds {bad}: nothing can be trained from it"))
                );
            }
        }
        Ok(())
    }

    /// A tensor that the files hold a second time must be the same one: the model has only the first.
    fn expect_tied(&self) -> Result<(), Failure> {
        for (second, first) in self.layout.tied {
            let data = |path: &str| bridge::to_data(self.tensors.get(path)?).ok();
            let (Some(found), expected) = (data(second), data(first)) else { continue };
            if Some(found) != expected {
                let [second, first] = [second, first].map(|path| self.layout.file_name(path));
                return Err(self.failure(format!(
                    "{second} differs from {first}, to which it is tied in this model"
                )));
            }
        }
        Ok(())
    }

    fn complete(&self, loaded: &ApplyResult) -> Result<(), Failure> {
        let unneeded = PathFilter::new().with_regexes(self.layout.unneeded);
        let tied = |name: &str| self.layout.tied.iter().any(|(second, _)| *second == name);
        let mut unknown =
            loaded.unused.iter().filter(|name| !unneeded.matches(name) && !tied(name));
        if let Some(error) = loaded.errors.first() {
            return Err(self.unfit(&self.describe(error)));
        }
        if let Some((path, _)) = loaded.missing.first() {
            return Err(self.unfit(&format!("there is no tensor {}", self.layout.file_name(path))));
        }
        match unknown.next() {
            None => Ok(()),
            Some(name) => Err(self.failure(format!(
                "holds {}, which is no part of this {} model",
                self.layout.file_name(name),
                self.layout.kind
            ))),
        }
    }

    fn describe(&self, error: &ApplyError) -> String {
        match error {
            ApplyError::ShapeMismatch { path, expected, found } => {
                // Every other matrix is the weight of a linear layer.
                let embedding = path.contains("embeddings.");
                let swap = self.layout.transposed && !embedding && found.len() == 2;
                let shape = |shape: &[usize]| match swap {
                    true => shape.iter().rev().copied().collect(),
                    false => shape.to_vec(),
                };
                let (expected, found) = (shape(expected), shape(found));
                let name = self.layout.file_name(path);
                format!("{name} has shape {found:?}, expected {expected:?}")
            }
            ApplyError::DTypeMismatch { path, found, .. } => {
                format!("{} holds {found:?}, expected floats", self.layout.file_name(path))
            }
            ApplyError::AdapterError { path, message }
            | ApplyError::LoadError { path, message } => {
                format!("{}: {}", self.layout.file_name(path), one_line(message))
            }
        }
    }
}

fn one_line(message: &impl ToString) -> String {
    message.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
