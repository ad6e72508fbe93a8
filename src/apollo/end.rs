//! The end of a run: the plain model.

use super::{Apollo, ApolloError, GrowthRequest};
use crate::expand::LayerMap;
use crate::stack::{Growable, stacks_mut};

impl<M: Growable> Apollo<M> {
    /// The plain model at full depth, with no trace of Apollo in it or in its record.
    ///
    /// # Errors
    ///
    /// [`ApolloError::Unfinished`] unless the run is in its last stage and has taken a step there: layers that were never
    /// trained are not passed off as trained. [`into_partly_trained`](Self::into_partly_trained) does so on purpose.
    pub fn into_inner(self) -> Result<M, ApolloError> {
        let (stage, stages, step) = (self.stage(), self.timeline().stages(), self.step_count());
        let trained = step > self.position.stage_start();
        if stage + 1 < stages || (stages > 1 && !trained) {
            return Err(ApolloError::Unfinished { step, steps: self.total_steps(), stage, stages });
        }
        self.into_partly_trained()
    }

    /// The plain model at full depth, at any moment of the run: missing layers are made as the remaining growths would
    /// make them, and were never trained.
    ///
    /// # Errors
    ///
    /// When one of the remaining growths fails.
    pub fn into_partly_trained(mut self) -> Result<M, ApolloError> {
        for stage in self.stage() + 1..self.timeline().stages() {
            self.grow_model(&GrowthRequest::to_stage(stage), stage)?;
        }
        for stack in stacks_mut(self.model_mut()) {
            let identity = LayerMap::identity(stack.unique_layers());
            stack.set_training_depth(&identity);
            stack.set_inference_depth(&identity);
        }
        Ok(self.into_model())
    }
}
