//! Files from anywhere and any time. What hostile bytes are fed to, by the property tests here and by the fuzzer in `fuzz`:
//! each must return; a panic or an abort is a finding. And a checkpoint that is kept, which every later
//! version reads.

mod import;
mod mutations;
mod plans;
mod sample;
mod sets;
mod tokenizers;

pub use import::{CONFIG, safetensors};
pub use mutations::{run, run_on};
pub use plans::{plan, schedule};
pub use sample::{SAMPLE, Tiny, fresh};
pub use sets::{manifest, records, records_that_train};
pub use tokenizers::tokenizer;

/// Panics that the library catches and turns into errors are no findings: only the fuzzer's own hook takes them for
/// that.
pub fn quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}
