use std::fmt;

use serde::{Deserialize, Serialize};

/// How the names of recipes end that grow early, for the mixing time.
const PILOT: &str = "-pilot";
/// How the names of shallower models begin.
const DEPTH: &str = "depth_";
/// The recipe that the others are compared with.
pub(in crate::study) const SCRATCH: &str = "scratch";

/// What a training of a study trains, and how: in its files a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum CellKind {
    /// The full model from scratch, which the others are compared with: `scratch`.
    Scratch,
    /// The full model by a recipe: its name.
    Recipe(String),
    /// That with its growths early, for the mixing time: the recipe's name and `-pilot`.
    Pilot(String),
    /// A model of so many layers, from scratch and alone: `depth_3`.
    Depth(usize),
}

impl CellKind {
    /// The recipe of the plan.
    pub(in crate::study) fn recipe(&self) -> &str {
        match self {
            Self::Scratch | Self::Depth(_) => SCRATCH,
            Self::Recipe(name) | Self::Pilot(name) => name,
        }
    }
}

impl fmt::Display for CellKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scratch | Self::Recipe(_) => f.write_str(self.recipe()),
            Self::Pilot(name) => write!(f, "{name}{PILOT}"),
            Self::Depth(layers) => write!(f, "{DEPTH}{layers}"),
        }
    }
}

impl From<CellKind> for String {
    fn from(kind: CellKind) -> Self {
        kind.to_string()
    }
}

impl From<String> for CellKind {
    fn from(name: String) -> Self {
        let depth = name.strip_prefix(DEPTH).and_then(|layers| layers.parse().ok());
        match (name.strip_suffix(PILOT), depth) {
            _ if name == SCRATCH => Self::Scratch,
            (Some(recipe), _) => Self::Pilot(recipe.to_owned()),
            (None, Some(layers)) => Self::Depth(layers),
            (None, None) => Self::Recipe(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_names() {
        for (name, kind) in [
            ("scratch", CellKind::Scratch),
            ("late_hop", CellKind::Recipe("late_hop".to_owned())),
            ("late_hop-pilot", CellKind::Pilot("late_hop".to_owned())),
            ("depth_3", CellKind::Depth(3)),
            ("depth_pilot", CellKind::Recipe("depth_pilot".to_owned())),
        ] {
            assert_eq!(CellKind::from(name.to_owned()), kind);
            assert_eq!(kind.to_string(), name);
        }
    }
}
