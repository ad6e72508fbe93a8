//! Recipes: published methods by name, each a function from a model's depth and a run's length to a [`Plan`].
//!
//! ```
//! use burn_apollo::recipe::{Recipe, Setting};
//!
//! let setting = Setting::new(10_000, &[12]).with_output_projections(["attn.c_proj", "mlp.c_proj"]);
//! let plan = Recipe::by_name("g_stack")?.plan(&setting);
//! assert_eq!(plan.schedule_for(&[12]).stages[0].layers, [3]);
//! # Ok::<(), burn_apollo::recipe::UnknownRecipe>(())
//! ```
//!
//! A plan from a TOML file is a recipe for one model and one length; see [`Plan`]. What of the published methods is not
//! here needs more than a plan: MSLT trains a part of the layers at a time, RaPTr, progressive layer dropping and
//! stochastic depth leave layers out within a step, landscape-aware growing tries growths out
//! ([`Apollo::try_out`](crate::Apollo::try_out)).

mod published;

use thiserror::Error;

use crate::plan::Plan;

/// What a recipe is applied to.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub(super) steps: u64,
    pub(super) targets: Vec<usize>,
    pub(super) output_projections: Vec<String>,
}

impl Setting {
    /// A run of `steps` optimizer steps of a model whose stacks have these target depths.
    pub fn new(steps: u64, targets: &[usize]) -> Self {
        Self { steps, targets: targets.to_vec(), output_projections: Vec::new() }
    }

    /// Names the last parameters of a layer's residual branches: what recipes with new layers that begin as the identity
    /// set to zero ([`NewLayers::zeroed`](crate::expand::NewLayers::zeroed)). Without names, such recipes begin with copies.
    pub fn with_output_projections<S: Into<String>>(
        self,
        names: impl IntoIterator<Item = S>,
    ) -> Self {
        Self { output_projections: names.into_iter().map(Into::into).collect(), ..self }
    }
}

/// A method by name.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    name: &'static str,
    source: &'static str,
    summary: &'static str,
    plan: fn(&Setting) -> Plan,
}

/// A name that is no recipe's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name:?} is no recipe; there are {}", Recipe::all().iter().map(Recipe::name).collect::<Vec<_>>().join(", "))]
pub struct UnknownRecipe {
    /// The name found.
    pub name: String,
}

impl Recipe {
    /// All recipes.
    pub fn all() -> &'static [Self] {
        published::ALL
    }

    /// The recipe of a name.
    ///
    /// # Errors
    ///
    /// [`UnknownRecipe`], which lists those that there are.
    pub fn by_name(name: &str) -> Result<&'static Self, UnknownRecipe> {
        let found = Self::all().iter().find(|recipe| recipe.name == name);
        found.ok_or_else(|| UnknownRecipe { name: name.to_owned() })
    }

    /// The recipe's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it was published.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// What it does, in a line.
    pub fn summary(&self) -> &'static str {
        self.summary
    }

    /// The plan for a setting.
    pub fn plan(&self, setting: &Setting) -> Plan {
        (self.plan)(setting)
    }
}
