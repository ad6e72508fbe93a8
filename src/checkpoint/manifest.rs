use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CheckpointError;
use super::files::{MANIFEST, RECORDS, SetFiles};
use crate::plan::Plan;
use crate::policy::Measurement;
use crate::wire::Frozen;

/// What a set is, beside its records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: String,
    version: u64,
    /// The crate's version, for people.
    written_by: String,
    /// Optimizer steps done.
    pub(crate) step: u64,
    /// Epochs done, where the run counts them.
    pub(super) epoch: Option<usize>,
    /// The value that the best sets are kept by.
    pub(crate) metric: Option<f64>,
    /// Length of each record.
    pub(super) files: BTreeMap<String, u64>,
    /// The plan of the run that wrote the set.
    pub(super) plan: Plan,
    /// Target depth of each stack.
    pub(super) targets: Vec<usize>,
    /// Losses and other numbers that the growth policy has yet to see.
    #[serde(default)]
    pub(crate) measurements: Vec<Measurement>,
    /// What of the model is not trained, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) frozen: Option<Frozen>,
    /// The learning rate that the scheduler gives next, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_rate: Option<f64>,
    /// The user's own: data position, configuration, random streams.
    pub(crate) state: BTreeMap<String, Value>,
}

const FORMAT: &str = "burn-apollo checkpoint";
/// The version of the format.
const VERSION: u64 = 3;
/// The largest manifest.
const LIMIT: u64 = 1 << 24;

/// What every version of the format will have.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

impl Manifest {
    pub(crate) fn new(step: u64, plan: Plan, targets: Vec<usize>, records: &[Bytes; 3]) -> Self {
        let lengths = records.iter().map(|bytes| bytes.len() as u64);
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            written_by: concat!("burn-apollo ", env!("CARGO_PKG_VERSION")).to_owned(),
            step,
            epoch: None,
            metric: None,
            files: RECORDS.map(str::to_owned).into_iter().zip(lengths).collect(),
            plan,
            targets,
            measurements: Vec::new(),
            frozen: None,
            next_rate: None,
            state: BTreeMap::new(),
        }
    }

    /// The manifest of the set in a folder, and the set's files.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub(super) fn read(set: &Path) -> Result<(Self, SetFiles), CheckpointError> {
        let files = SetFiles::open(set)?;
        let text = files.read(MANIFEST, LIMIT)?;
        Ok((Self::parse(&text, set)?, files))
    }

    /// # Errors
    ///
    /// [`CheckpointError::Version`] for a later version, [`CheckpointError::Damaged`] for anything else.
    fn parse(text: &[u8], set: &Path) -> Result<Self, CheckpointError> {
        let malformed = |message: String| {
            CheckpointError::damaged(set, MANIFEST, format!("is malformed: {message}"))
        };
        let header: Header = serde_json::from_slice(text).map_err(|e| malformed(e.to_string()))?;
        if header.format != FORMAT {
            return Err(malformed(format!("its `format` is {:?}, not {FORMAT:?}", header.format)));
        }
        if header.version > VERSION {
            let (path, found) = (set.to_owned(), header.version);
            return Err(CheckpointError::Version { path, found, known: VERSION });
        }
        if header.version < VERSION {
            return Err(malformed(format!("its `version` is {}, not {VERSION}", header.version)));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(|e| malformed(e.to_string()))?;
        let names: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
        match names == RECORDS {
            true => Ok(manifest),
            false => Err(malformed(format!("its `files` are {names:?}"))),
        }
    }

    /// # Errors
    ///
    /// Where the states are too large for a manifest.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, CheckpointError> {
        let error = |message: String| CheckpointError::state("*", &message);
        let mut text = serde_json::to_vec_pretty(self).map_err(|e| error(e.to_string()))?;
        text.push(b'\n');
        match text.len() as u64 <= LIMIT {
            true => Ok(text),
            false => Err(error(format!("{} bytes of {LIMIT} that fit", text.len()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::{MODEL, OPTIM, SCHEDULER};
    use super::*;

    fn manifest() -> Value {
        serde_json::json!({
            "format": FORMAT, "version": VERSION, "written_by": "test", "step": 3, "epoch": null, "metric": 0.1,
            "files": {MODEL: 1, OPTIM: 2, SCHEDULER: 3},
            "plan": {"steps": 9, "schedule": {"stages": [{"layers": 1, "until": {"step": 3}}, {"layers": 4}]}},
            "targets": [4],
            "measurements": [
                {"step": 2, "name": "loss", "value": 2.5, "depth": 1}, {"step": 3, "name": "loss", "value": "NaN"},
                {"step": 3, "name": "norm", "value": "inf"}
            ],
            "state": {"data": {"offset": 7}}
        })
    }

    fn parse(value: &Value) -> Result<Manifest, CheckpointError> {
        Manifest::parse(value.to_string().as_bytes(), Path::new("set"))
    }

    #[test]
    fn manifests_round_trip() {
        let found = parse(&manifest()).unwrap();
        assert!(found.measurements[1].value.is_nan());
        let text = found.to_json().unwrap();
        let again = Manifest::parse(&text, Path::new("set")).unwrap();
        assert_eq!(again.to_json().unwrap(), text);
        assert_eq!(again.metric, Some(0.1));
    }

    #[test]
    fn wrong_manifests_are_named() {
        let with = |field: &str, value: Value| {
            let mut manifest = manifest();
            manifest[field] = value;
            parse(&manifest).unwrap_err().to_string()
        };
        assert!(with("format", "zip".into()).contains("`format`"));
        assert!(with("version", 4.into()).contains("version 4"));
        assert!(with("version", 2.into()).contains("`version` is 2"));
        assert!(with("version", 0.into()).contains("`version` is 0"));
        assert!(with("step", (-1).into()).contains("malformed"));
        assert!(with("surprise", 1.into()).contains("surprise"));
        assert!(with("files", serde_json::json!({"../model.bpk": 1})).contains("`files`"));
        let many = serde_json::json!([{"step": 1, "name": "loss", "value": "many"}]);
        assert!(with("measurements", many).contains("many"));
        assert!(with("plan", serde_json::json!({"steps": 9, "sampler": "dice"})).contains("dice"));
        // A later version may have any other fields: it is known by its header alone.
        let later = serde_json::json!({"format": FORMAT, "version": 7, "chunks": []});
        assert!(matches!(
            parse(&later),
            Err(CheckpointError::Version { found: 7, known: VERSION, .. })
        ));
        assert!(Manifest::parse(b"{", Path::new("set")).unwrap_err().is_damage());
    }
}
