use burn::module::{Module, Param, ParamId};
use burn::store::RecordError;
use burn::tensor::{DType, Device, Int, Shape, Tensor, TensorData};

use super::ApolloError;

/// Where a run stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Optimizer steps done.
    pub(super) step: u64,
    /// The steps before which the model grew, one per growth.
    pub(super) growths: Vec<u64>,
}

const FORMAT: u64 = 1;
const NOT_YET: u64 = u64::MAX;

impl Progress {
    /// Format, step, the step of each possible growth, and the policy's state, as words of fixed number.
    pub(super) fn to_words(&self, stages: usize, policy_state: &[f64]) -> Vec<u64> {
        let growths = (0..stages - 1).map(|g| self.growths.get(g).copied().unwrap_or(NOT_YET));
        [FORMAT, self.step]
            .into_iter()
            .chain(growths)
            .chain(policy_state.iter().map(|x| x.to_bits()))
            .collect()
    }

    /// The opposite of [`to_words`](Self::to_words).
    pub(super) fn from_words(
        words: &[u64],
        stages: usize,
    ) -> Result<(Self, Vec<f64>), ApolloError> {
        let error = |message: String| Err(ApolloError::Progress(message));
        let (Some(&format), Some(&step)) = (words.first(), words.get(1)) else {
            return error(format!("holds {} words, too few", words.len()));
        };
        if format != FORMAT {
            return error(format!(
                "format {format} is unknown, this version reads format {FORMAT}"
            ));
        }
        let (Some(growths), Some(state)) = (words.get(2..stages + 1), words.get(stages + 1..))
        else {
            return error(format!("holds {} words, too few for {stages} stages", words.len()));
        };
        let done: Vec<u64> = growths.iter().copied().take_while(|g| *g != NOT_YET).collect();
        let ordered =
            done.windows(2).all(|w| w[0] < w[1]) && done.last().is_none_or(|g| *g <= step);
        if !ordered || growths[done.len()..].iter().any(|g| *g != NOT_YET) {
            return error(format!("growths before steps {growths:?} do not fit step {step}"));
        }
        let state = state.iter().map(|w| f64::from_bits(*w)).collect();
        Ok((Self { step, growths: done }, state))
    }
}

/// The module whose only parameter is `apollo.progress`: an integer tensor `[2 · words]` of the words'
/// 32-bit halves, low half first, which every backend can hold.
#[derive(Module, Debug)]
pub(super) struct ProgressRecord {
    apollo: ApolloRecord,
}

#[derive(Module, Debug)]
struct ApolloRecord {
    progress: Param<Tensor<1, Int>>,
}

/// "apollo" in ASCII.
const PARAM_ID: u64 = 0x61_70_6f_6c_6c_6f;

impl ProgressRecord {
    /// A record whose tensor is only made when somebody reads it.
    pub(super) fn new(words: Vec<u64>, device: &Device) -> Self {
        let shape = Shape::from([2 * words.len()]);
        let init = move |device: &Device, _require_grad: bool| {
            let halves: Vec<i32> =
                words.iter().flat_map(|w| [*w as u32 as i32, (*w >> 32) as u32 as i32]).collect();
            Tensor::from_data(TensorData::from(halves.as_slice()), (device, DType::I32))
        };
        let id = ParamId::from(PARAM_ID);
        let progress = Param::uninitialized(id, init, device.clone(), false, shape);
        Self { apollo: ApolloRecord { progress } }
    }

    pub(super) fn words(&self) -> Result<Vec<u64>, RecordError> {
        let halves = self.apollo.progress.val().try_into_data();
        let halves = halves.map_err(|e| RecordError::Io(format!("`{PROGRESS_PATH}`: {e}")))?;
        Ok(join_halves(&halves.iter::<i64>().collect::<Vec<_>>()))
    }
}

/// Where a record holds the progress.
pub(crate) const PROGRESS_PATH: &str = "apollo.progress";

/// The words of the progress, from the integers of its tensor.
pub(crate) fn join_halves(halves: &[i64]) -> Vec<u64> {
    let (pairs, _) = halves.as_chunks();
    let word = |[low, high]: &[i64; 2]| u64::from(*low as u32) | (u64::from(*high as u32) << 32);
    pairs.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        let progress = Progress { step: 1 << 40, growths: vec![5, 1 << 33] };
        let words = progress.to_words(4, &[-1.5, f64::NAN]);
        let record = ProgressRecord::new(words.clone(), &Device::default());
        assert_eq!(record.words().unwrap(), words);
        let (back, state) = Progress::from_words(&words, 4).unwrap();
        assert_eq!(back, progress);
        assert_eq!(state[0], -1.5);
        assert!(state[1].is_nan());
    }

    #[test]
    fn damaged_words_are_refused() {
        let words = Progress { step: 9, growths: vec![3, 6] }.to_words(4, &[]);
        assert!(Progress::from_words(&words, 4).is_ok());
        assert!(Progress::from_words(&[], 4).is_err());
        assert!(Progress::from_words(&words[..3], 4).is_err());
        for (at, value) in [(0, 2), (1, 5), (2, 7), (2, NOT_YET), (4, 8)] {
            let mut words = words.clone();
            words[at] = value;
            if (at, value) == (4, 8) {
                assert!(Progress::from_words(&words, 4).is_ok());
                words[at] = 10;
            }
            assert!(Progress::from_words(&words, 4).is_err(), "word {at} = {value}");
        }
    }
}
