use thiserror::Error;

/// What is wrong with a schedule or a learning-rate rule.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A schedule without stages.
    #[error("`stages`: a schedule needs at least one stage")]
    Empty,
    /// A run without steps.
    #[error("`steps`: a run needs at least one optimizer step")]
    NoSteps,
    /// A stage names layers for another number of stacks than the model has.
    #[error(
        "`stages[{stage}].layers`: found {found} numbers of layers, but the model has {stacks} stacks"
    )]
    Stacks {
        /// Index of the stage.
        stage: usize,
        /// Numbers of layers given.
        found: usize,
        /// Stacks of the model.
        stacks: usize,
    },
    /// A stage has fewer layers than the one before, or no stack of it grows.
    #[error(
        "`stages[{stage}].layers`: {found:?} after {before:?}: no stack may shrink and one must grow"
    )]
    NotGrowing {
        /// Index of the stage.
        stage: usize,
        /// Its layers.
        found: Vec<usize>,
        /// The layers of the stage before.
        before: Vec<usize>,
    },
    /// The last stage does not hold the full model.
    #[error(
        "`stages[{stage}].layers`: the last stage must hold {target:?} layers, the full depth, found {found:?}"
    )]
    NotFull {
        /// Index of the stage.
        stage: usize,
        /// Its layers.
        found: Vec<usize>,
        /// The target depths of the model's stacks.
        target: Vec<usize>,
    },
    /// A stage without layers is followed by more growth than one initialiser can serve.
    #[error("`stages[{stage}].layers`: only the first stage may hold 0 layers")]
    ZeroLayers {
        /// Index of the stage.
        stage: usize,
    },
    /// The end of a stage is a fraction outside `(0, 1]`.
    #[error("`stages[{stage}].until.fraction`: must be above 0 and at most 1, found {found}")]
    Fraction {
        /// Index of the stage.
        stage: usize,
        /// The fraction found.
        found: f64,
    },
    /// A stage ends at a lower fraction of the run than one before.
    #[error("`stages[{stage}].until.fraction`: {found} after {before}: fractions must rise")]
    FractionOrder {
        /// Index of the stage.
        stage: usize,
        /// The fraction found.
        found: f64,
        /// The fraction of the stage before.
        before: f64,
    },
    /// A stage before the last one has no end.
    #[error("`stages[{stage}].until`: missing; only the last stage may leave it out")]
    NoEnd {
        /// Index of the stage.
        stage: usize,
    },
    /// A stage does not end after the one before.
    #[error(
        "`stages[{stage}].until`: ends at step {end}, but the stage before ends at step {before}"
    )]
    EndOrder {
        /// Index of the stage.
        stage: usize,
        /// Its end in steps.
        end: u64,
        /// The end of the stage before, in steps.
        before: u64,
    },
    /// A stage before the last one leaves no step of the run to those after it.
    #[error(
        "`stages[{stage}].until`: ends at step {end}, too late for the stages after it in a run of {steps} steps"
    )]
    EndTooLate {
        /// Index of the stage.
        stage: usize,
        /// Its end in steps.
        end: u64,
        /// Optimizer steps of the run.
        steps: u64,
    },
    /// The last stage does not end with the run.
    #[error(
        "`stages[{stage}].until`: the last stage must end with the run, at step {steps}, found {end}"
    )]
    LastEnd {
        /// Index of the stage.
        stage: usize,
        /// Its end in steps.
        end: u64,
        /// Optimizer steps of the run.
        steps: u64,
    },
    /// A part of the run with an early sampler has no such end.
    #[error("`early_samplers[{part}].until` must be {expected}, found {found}")]
    EarlySampler {
        /// Index of the part.
        part: usize,
        /// What would be right.
        expected: String,
        /// The value found.
        found: f64,
    },
    /// A parameter of a learning-rate rule lies outside its range.
    #[error("{owner}: `{field}` must be {expected}, found {found}")]
    Parameter {
        /// The rule.
        owner: &'static str,
        /// Name of the parameter.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
        /// The value found.
        found: f64,
    },
    /// The learning rate would rise until the run ends, or longer.
    #[error("`warm_up.steps`: must be below the run's {steps} steps, found {found}")]
    WarmUp {
        /// Steps of the warm-up.
        found: u64,
        /// Optimizer steps of the run.
        steps: u64,
    },
    /// A growth was asked for to a stage that is no later stage of the schedule.
    #[error(
        "a growth to stage {stage} was asked for in stage {current} of a schedule with {stages} stages, from 0"
    )]
    Target {
        /// The stage asked for.
        stage: usize,
        /// The stage that the run is in.
        current: usize,
        /// The number of stages.
        stages: usize,
    },
}
