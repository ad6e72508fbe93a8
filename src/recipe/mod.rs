//! Recipes: published methods by name, each a function from a model's depth and a run's length to a [`Plan`].
//!
//! ```
//! use burn_apollo::recipe::{Recipe, Setting};
//!
//! let setting = Setting::new(10_000, &[12]).with_output_projections(["attn.c_proj", "mlp.c_proj"]);
//! let plan = Recipe::by_name("g_stack")?.plan(&setting)?;
//! assert_eq!(plan.schedule_for(&[12]).stages[0].layers, [3]);
//! # Ok::<(), burn_apollo::recipe::RecipeError>(())
//! ```
//!
//! A plan from a TOML file is a recipe for one model and one length; see [`Plan`]. What of the published methods is not
//! here needs more than a plan: RaPTr, progressive layer dropping and stochastic depth leave layers out within a step;
//! landscape-aware growing tries growths out ([`Apollo::branch`](crate::Apollo::branch)).

mod published;

use thiserror::Error;

use crate::expand::NewLayers;
use crate::plan::Plan;
use crate::schedule::WarmUp;

/// What a recipe is applied to.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub(super) steps: u64,
    pub(super) targets: Vec<usize>,
    pub(super) output_projections: Vec<String>,
    pub(super) warm_up: Option<WarmUp>,
}

impl Setting {
    /// A run of `steps` optimizer steps of a model whose stacks have these target depths.
    pub fn new(steps: u64, targets: &[usize]) -> Self {
        Self { steps, targets: targets.to_vec(), output_projections: Vec::new(), warm_up: None }
    }

    /// Names the last parameters of a layer's residual branches: what recipes with new layers that begin as the identity
    /// set to zero ([`NewLayers::zeroed`](crate::expand::NewLayers::zeroed)). Without names,
    /// such recipes have no plan.
    pub fn with_output_projections<S: Into<String>>(
        self,
        names: impl IntoIterator<Item = S>,
    ) -> Self {
        Self { output_projections: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Takes this warm-up in the place of the recipe's, which is a fraction of the run: runs of several lengths whose
    /// warm-up takes as many steps begin alike ([`Plan::common_steps`]).
    pub fn with_warm_up(self, warm_up: WarmUp) -> Self {
        Self { warm_up: Some(warm_up), ..self }
    }
}

/// A method by name.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    name: &'static str,
    source: &'static str,
    summary: &'static str,
    /// Whether new layers begin as the identity.
    zeroed: bool,
    plan: fn(&Setting) -> Plan,
}

/// What is wrong with the choice of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// A name that is no recipe's.
    #[error("{name:?} is no recipe; there are {}", Recipe::all().iter().map(Recipe::name).collect::<Vec<_>>().join(", "))]
    Unknown {
        /// The name found.
        name: String,
    },
    /// New layers should begin as the identity, and nothing says how.
    #[error(
        "the recipe {name} sets the output projections of new layers to zero, and none is named: \
         `Setting::with_output_projections`"
    )]
    NoOutputProjections {
        /// The recipe's name.
        name: &'static str,
    },
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
    /// [`RecipeError::Unknown`], which lists those that there are.
    pub fn by_name(name: &str) -> Result<&'static Self, RecipeError> {
        let found = Self::all().iter().find(|recipe| recipe.name == name);
        found.ok_or_else(|| RecipeError::Unknown { name: name.to_owned() })
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

    /// Whether new layers begin as the identity, for which the setting must name output projections.
    pub fn is_zeroed(&self) -> bool {
        self.zeroed
    }

    /// The plan for a setting.
    ///
    /// # Errors
    ///
    /// [`RecipeError::NoOutputProjections`] where the recipe needs them and the setting has none.
    pub fn plan(&self, setting: &Setting) -> Result<Plan, RecipeError> {
        let plan = (self.plan)(setting);
        let lr = setting.warm_up.map_or(plan.lr, |warm_up| plan.lr.with_warm_up(warm_up));
        let plan = plan.with_lr(lr);
        match (self.zeroed, setting.output_projections.as_slice()) {
            (false, _) => Ok(plan),
            (true, []) => Err(RecipeError::NoOutputProjections { name: self.name }),
            (true, names) => Ok(plan.with_new_layers(NewLayers::zeroed(names.iter().cloned()))),
        }
    }
}
