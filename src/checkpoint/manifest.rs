use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::{MANIFEST, MODEL, OPTIM, SCHEDULER};
use super::format_v1::{LossV1, PlanV1};
use super::{CheckpointError, Damage};
use crate::optim::Treatments;
use crate::plan::Plan;
use crate::policy::Measurement;
use crate::wire::Frozen;

/// What a set is, beside its records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Manifest {
    pub(super) format: String,
    pub(super) version: u64,
    /// The crate's version, for people.
    pub(super) written_by: String,
    /// Optimizer steps done.
    pub(super) step: u64,
    /// Epochs done, where the run counts them.
    pub(crate) epoch: Option<usize>,
    /// The value that the best sets are kept by.
    pub(super) metric: Option<f64>,
    /// Length of each record.
    pub(super) files: BTreeMap<String, u64>,
    pub(super) plan: SavedPlan,
    /// Target depth of each stack; in format 1 the plan holds them.
    pub(super) targets: Vec<usize>,
    /// Losses and other numbers that the growth policy has yet to see.
    pub(super) measurements: Vec<Measurement>,
    /// What of the model is not trained, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frozen: Option<Frozen>,
    /// What the optimizer does to the parameters, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) optimizer: Option<Treatments>,
    /// The learning rate that the scheduler gives next, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_rate: Option<f64>,
    /// The user's own: data position, configuration, random streams.
    pub(super) state: BTreeMap<String, Value>,
}

/// The plan of the run that wrote a set.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum SavedPlan {
    Plan(Box<Plan>),
    V1(Box<PlanV1>),
}

pub(super) const FORMAT: &str = "burn-apollo checkpoint";
/// The version of the format that this crate writes, and the newest that it reads.
pub(super) const VERSION: u64 = 2;
/// The largest manifest.
pub(super) const LIMIT: u64 = 1 << 24;

/// What every version of the format will have.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

/// A manifest of a version that this crate reads, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: String,
    version: u64,
    written_by: String,
    step: u64,
    epoch: Option<usize>,
    metric: Option<f64>,
    files: BTreeMap<String, u64>,
    plan: Value,
    #[serde(default)]
    targets: Vec<usize>,
    #[serde(default)]
    measurements: Vec<Measurement>,
    /// Of version 1.
    #[serde(default)]
    losses: Vec<LossV1>,
    /// Of version 1.
    #[serde(default)]
    measured: Vec<Measurement>,
    #[serde(default)]
    frozen: Option<Frozen>,
    #[serde(default)]
    optimizer: Option<Treatments>,
    #[serde(default)]
    next_rate: Option<f64>,
    state: BTreeMap<String, Value>,
}

impl TryFrom<Written> for Manifest {
    type Error = serde_json::Error;

    fn try_from(written: Written) -> Result<Self, serde_json::Error> {
        let Written { format, version, written_by, step, epoch, metric, files, state, .. } =
            written;
        let plan = match version {
            1 => SavedPlan::V1(serde_json::from_value(written.plan)?),
            _ => SavedPlan::Plan(serde_json::from_value(written.plan)?),
        };
        let mut measurements = written.measurements;
        measurements.extend(written.losses.into_iter().map(Measurement::from));
        measurements.extend(written.measured);
        let (targets, frozen) = (written.targets, written.frozen);
        let (optimizer, next_rate) = (written.optimizer, written.next_rate);
        Ok(Self {
            format,
            version,
            written_by,
            step,
            epoch,
            metric,
            files,
            plan,
            targets,
            measurements,
            frozen,
            optimizer,
            next_rate,
            state,
        })
    }
}

/// Of this version, with nothing in it.
impl Default for Manifest {
    fn default() -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            written_by: concat!("burn-apollo ", env!("CARGO_PKG_VERSION")).to_owned(),
            step: 0,
            epoch: None,
            metric: None,
            files: BTreeMap::new(),
            plan: SavedPlan::Plan(Box::new(Plan::new(0))),
            targets: Vec::new(),
            measurements: Vec::new(),
            frozen: None,
            optimizer: None,
            next_rate: None,
            state: BTreeMap::new(),
        }
    }
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
        if header.version == 0 {
            return Err(malformed("its `version` is 0".to_owned()));
        }
        let written: Written =
            serde_json::from_slice(text).map_err(|e| malformed(e.to_string()))?;
        let manifest =
            Self::try_from(written).map_err(|e| malformed(format!("its `plan`: {e}")))?;
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
    fn version_1_is_read() {
        let mut manifest = manifest();
        manifest["version"] = 1.into();
        manifest["plan"] = serde_json::json!({
            "steps": 9, "targets": [4], "layers": [[1], [4]], "ends": [3, 9], "sampler": "Uniform",
            "expander": "Interpolation", "policy": "FixedPolicy", "moments": "scaled",
            "lr_at_growth": "keep", "seed": 0, "draw_per": "optimizer_step", "step_seeds": true
        });
        let fields = manifest.as_object_mut().unwrap();
        fields.remove("targets");
        fields.remove("measurements");
        fields.insert("losses".to_owned(), serde_json::json!([{"step": 2, "loss": 2.5}]));
        let norm = serde_json::json!([{"step": 3, "name": "norm", "value": "inf"}]);
        fields.insert("measured".to_owned(), norm);
        let found = parse(&manifest).unwrap();
        assert!(matches!(found.plan, SavedPlan::V1(_)));
        let values: Vec<_> =
            found.measurements.iter().map(|m| (m.step, m.name.as_str(), m.value)).collect();
        assert_eq!(values, [(2, "loss", 2.5), (3, "norm", f64::INFINITY)]);
    }

    #[test]
    fn wrong_manifests_are_named() {
        let with = |field: &str, value: Value| {
            let mut manifest = manifest();
            manifest[field] = value;
            parse(&manifest).unwrap_err().to_string()
        };
        assert!(with("format", "zip".into()).contains("`format`"));
        assert!(with("version", 3.into()).contains("version 3"));
        assert!(with("version", 1.into()).contains("`plan`"));
        assert!(with("version", 0.into()).contains("`version`"));
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
