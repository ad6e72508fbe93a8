use thiserror::Error;

/// Why a run cannot go on with an optimizer.
#[derive(Debug, Error)]
pub(crate) enum OptimError {
    /// A parameter group that names layers by number, in a run that is still to grow: another layer will have the
    /// number then, and copies of one layer would be trained in different ways.
    #[error(
        "a parameter group of {groups_of} names layers by number: it treats `{copy}`, which will be a copy of `{param}`, \
         in another way; name a part of the path that all layers share"
    )]
    ByNumber {
        /// Whose group it is: the optimizer's or the learning rate's.
        groups_of: &'static str,
        /// The path of a parameter.
        param: String,
        /// The path that a copy of it will have.
        copy: String,
    },
    /// A parameter group that names parameters of a layer by id, in a run that is still to grow: copies will have other
    /// ids, and would be trained in another way.
    #[error(
        "a parameter group of {groups_of} names `{param}` by its id: copies of it will have other ids and be treated in \
         another way; name a part of the path that all layers share"
    )]
    ById {
        /// Whose group it is: the optimizer's or the learning rate's.
        groups_of: &'static str,
        /// The path of the parameter.
        param: String,
    },
    /// Its state cannot be carried over.
    #[error("{0}")]
    State(String),
}
