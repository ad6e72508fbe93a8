//! A safetensors file taken apart, to compare its tensors and to make broken ones.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq)]
pub struct RawTensor {
    pub dtype: String,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl RawTensor {
    pub fn floats(shape: &[usize], value: f32) -> Self {
        let count: usize = shape.iter().product();
        let bytes = (0..count).flat_map(|_| value.to_le_bytes()).collect();
        Self { dtype: "F32".to_owned(), shape: shape.to_vec(), bytes }
    }

    /// The same values in the upper half of a 32-bit float.
    pub fn to_bf16(&self) -> Self {
        let bytes = self.bytes.chunks(4).flat_map(|float| [float[2], float[3]]).collect();
        Self { dtype: "BF16".to_owned(), bytes, ..self.clone() }
    }
}

/// A file's tensors by name, and its metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct RawFile {
    pub tensors: BTreeMap<String, RawTensor>,
    pub metadata: Value,
}

impl RawFile {
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (header, data) = bytes[8..].split_at(length);
        let mut header: BTreeMap<String, Value> = serde_json::from_slice(header).unwrap();
        let metadata = header.remove("__metadata__").unwrap_or_default();
        let tensors = header.into_iter().map(|(name, tensor)| {
            let [from, to]: [usize; 2] =
                serde_json::from_value(tensor["data_offsets"].clone()).unwrap();
            let raw = RawTensor {
                dtype: tensor["dtype"].as_str().unwrap().to_owned(),
                shape: serde_json::from_value(tensor["shape"].clone()).unwrap(),
                bytes: data[from..to].to_vec(),
            };
            (name, raw)
        });
        Self { tensors: tensors.collect(), metadata }
    }

    pub fn write(&self, path: &Path) {
        let mut header = serde_json::Map::new();
        let mut data = Vec::new();
        for (name, tensor) in &self.tensors {
            let from = data.len();
            data.extend(&tensor.bytes);
            let offsets = [from, data.len()];
            let entry =
                json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": offsets});
            header.insert(name.clone(), entry);
        }
        header.insert("__metadata__".to_owned(), self.metadata.clone());
        let header = serde_json::to_vec(&header).unwrap();
        let length = (header.len() as u64).to_le_bytes();
        std::fs::write(path, [&length[..], &header, &data].concat()).unwrap();
    }

    /// The same tensors under other names.
    pub fn renamed(&self, name: impl Fn(&str) -> String) -> Self {
        let tensors = self.tensors.iter().map(|(old, tensor)| (name(old), tensor.clone()));
        Self { tensors: tensors.collect(), metadata: self.metadata.clone() }
    }

    pub fn with(mut self, name: &str, tensor: RawTensor) -> Self {
        self.tensors.insert(name.to_owned(), tensor);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.tensors.remove(name).unwrap();
        self
    }
}
