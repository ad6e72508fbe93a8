use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::{MANIFEST, MODEL, OPTIM, SCHEDULER};
use super::{CheckpointError, Damage};
use crate::apollo::PlanDescription;
use crate::schedule::{LossPoint, Measurement};

/// What a set is, beside its records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) version: u64,
    /// The crate's version, for people.
    pub(super) written_by: String,
    /// Optimizer steps done.
    pub(super) step: u64,
    /// Epochs done, where the run counts them.
    pub(super) epoch: Option<usize>,
    /// The value that the best sets are kept by.
    pub(super) metric: Option<f64>,
    /// Length of each record.
    pub(super) files: BTreeMap<String, u64>,
    pub(super) plan: PlanDescription,
    /// Losses that the growth policy was told, but not asked about yet.
    pub(super) losses: Vec<LossPoint>,
    /// Other numbers that it was told, but not asked about yet.
    #[serde(default)]
    pub(super) measured: Vec<Measurement>,
    /// The user's own: data position, configuration, random streams.
    pub(super) state: BTreeMap<String, Value>,
}

pub(super) const FORMAT: &str = "burn-apollo checkpoint";
/// The version of the format that this crate writes, and the newest that it reads.
pub(super) const VERSION: u64 = 1;
/// The largest manifest.
pub(super) const LIMIT: u64 = 1 << 24;

/// What every version of the format will have.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

impl Manifest {
    /// # Errors
    ///
    /// [`CheckpointError::Version`] for a later version, [`CheckpointError::Damaged`] for anything else.
    pub(super) fn parse(text: &[u8], set: &Path) -> Result<Self, CheckpointError> {
        let malformed =
            |message: String| CheckpointError::damaged(set, MANIFEST, Damage::Malformed(message));
        let header: Header = serde_json::from_slice(text).map_err(|e| malformed(e.to_string()))?;
        if header.format != FORMAT {
            return Err(malformed(format!("its `format` is {:?}, not {FORMAT:?}", header.format)));
        }
        if header.version > VERSION {
            let (path, found) = (set.to_owned(), header.version);
            return Err(CheckpointError::Version { path, found, known: VERSION });
        }
        let manifest: Self = serde_json::from_slice(text).map_err(|e| malformed(e.to_string()))?;
        if manifest.version == 0 {
            return Err(malformed("its `version` is 0".to_owned()));
        }
        let names: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
        match names == [MODEL, OPTIM, SCHEDULER] {
            true => Ok(manifest),
            false => Err(malformed(format!("its `files` are {names:?}"))),
        }
    }

    /// # Errors
    ///
    /// [`CheckpointError::State`] where the states are too large for a manifest.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, CheckpointError> {
        let error = |message: String| CheckpointError::State { name: "*".to_owned(), message };
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
    use super::*;

    fn manifest() -> Value {
        serde_json::json!({
            "format": FORMAT, "version": VERSION, "written_by": "test", "step": 3, "epoch": null, "metric": 0.1,
            "files": {MODEL: 1, OPTIM: 2, SCHEDULER: 3},
            "plan": {
                "steps": 9, "targets": [4], "layers": [[1], [4]], "ends": [3, 9], "sampler": "Uniform",
                "expander": "Interpolation", "policy": "FixedPolicy", "moments": "scaled",
                "lr_at_growth": "keep", "seed": 0, "draw_per": "optimizer_step", "step_seeds": true
            },
            "losses": [{"step": 2, "loss": 2.5}, {"step": 3, "loss": "NaN"}],
            "measured": [{"step": 3, "name": "norm", "value": "inf"}],
            "state": {"data": {"offset": 7}}
        })
    }

    fn parse(value: &Value) -> Result<Manifest, CheckpointError> {
        Manifest::parse(value.to_string().as_bytes(), Path::new("set"))
    }

    #[test]
    fn manifests_round_trip() {
        let found = parse(&manifest()).unwrap();
        assert!(found.losses[1].loss.is_nan());
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
        assert!(with("version", 2.into()).contains("version 2"));
        assert!(with("version", 0.into()).contains("`version`"));
        assert!(with("step", (-1).into()).contains("malformed"));
        assert!(with("surprise", 1.into()).contains("surprise"));
        assert!(with("files", serde_json::json!({"../model.bpk": 1})).contains("`files`"));
        assert!(with("losses", serde_json::json!([{"step": 1, "loss": "many"}])).contains("many"));
        // A later version may have any other fields: it is known by its header alone.
        let later = serde_json::json!({"format": FORMAT, "version": 7, "chunks": []});
        assert!(matches!(parse(&later), Err(CheckpointError::Version { found: 7, known: 1, .. })));
        assert!(Manifest::parse(b"{", Path::new("set")).unwrap_err().is_damage());
    }
}
