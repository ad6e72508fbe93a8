//! Recipes: published methods by name, each a function from a model's depth and a run's length to a [`Plan`].
//!
//! ```
//! use burn_apollo::recipe::{Recipe, Setting};
//!
//! let setting = Setting::new(10_000, &[12]).with_output_projections(["attn.c_proj", "mlp.c_proj"]);
//! let plan = Recipe::by_name("g_stack")?.plan(&setting)?;
//! assert_eq!(plan.schedule_for(&[12]).stages[0].layers, [3]);
//! # Ok::<(), burn_apollo::plan::PlanError>(())
//! ```
//!
//! A plan from a TOML file is a recipe for one model and one length; see [`Plan`]. What of the published methods is not
//! here needs more than a plan: RaPTr, progressive layer dropping and stochastic depth leave layers out within a step;
//! landscape-aware growing tries growths out ([`Apollo::branch`](crate::Apollo::branch)).

mod published;

use crate::expand::NewLayers;
use crate::plan::{Plan, PlanError};
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

    /// Takes this warm-up in the place of the recipe's, which is a fraction of the run.
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

impl Recipe {
    /// All recipes.
    pub fn all() -> &'static [Self] {
        published::ALL
    }

    /// The recipe of a name.
    ///
    /// # Errors
    ///
    /// One that lists those that there are.
    pub fn by_name(name: &str) -> Result<&'static Self, PlanError> {
        let found = Self::all().iter().find(|recipe| recipe.name == name);
        let names = || Self::all().iter().map(Self::name).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| PlanError::unknown("recipe", name, &names()))
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
    /// Where the recipe needs output projections and the setting names none.
    pub fn plan(&self, setting: &Setting) -> Result<Plan, PlanError> {
        let plan = (self.plan)(setting);
        let lr = setting.warm_up.map_or(plan.lr, |warm_up| plan.lr.with_warm_up(warm_up));
        let plan = plan.with_lr(lr);
        match (self.zeroed, setting.output_projections.as_slice()) {
            (false, _) => Ok(plan),
            (true, []) => {
                let expected = format!(
                    "named with `Setting::with_output_projections`, as the recipe {} sets them to zero in new layers",
                    self.name
                );
                Err(PlanError::new("output_projections", "none", expected))
            }
            (true, names) => Ok(plan.with_new_layers(NewLayers::zeroed(names.iter().cloned()))),
        }
    }
}
