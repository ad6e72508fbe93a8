//! Burnpacks: looked at before Burn loads them, since Burn panics at some that it does not expect.

use std::collections::{BTreeMap, HashMap};

use burn::module::Module;
use burn::tensor::{Bytes, DType, Shape, TensorData};
use burn_pack::{Reader, Scalar};

use super::optimizer_state::RANK;
use super::progress::{PROGRESS_PATH, join_halves};
use super::{ParamInfo, ParamKind};

/// The content of a burnpack.
pub(crate) struct Pack {
    tensors: Vec<Entry>,
    scalars: BTreeMap<String, Scalar>,
}

struct Entry {
    name: String,
    dtype: DType,
    shape: Shape,
    id: Option<u64>,
    bytes: Bytes,
}

impl Entry {
    /// Whether this can be the state that one of Burn's optimizers keeps of a parameter: a number for each of its own,
    /// or one for each row or column.
    fn check_state_of(&self, shape: &Shape) -> Result<(), String> {
        let fits = is_float(self.dtype)
            && self.shape.num_dims() == shape.num_dims()
            && self.shape.iter().zip(shape.iter()).all(|(own, param)| *own == 1 || own == param);
        let Self { name, dtype, shape: own, .. } = self;
        match fits {
            true => Ok(()),
            false => Err(format!("`{name}` holds {dtype:?} {own:?}, the parameter is {shape:?}")),
        }
    }
}

impl Pack {
    /// The pack in `bytes`, which should be [shared](Bytes::shared).
    pub(crate) fn read(bytes: &Bytes) -> Result<Self, String> {
        let reader = Reader::from_bytes(bytes.clone()).map_err(|e| e.to_string())?;
        let scalars = reader.scalars().clone();
        let entry = |tensor: burn_pack::Tensor| {
            let (name, dtype, shape, id, bytes) = tensor.into_parts().map_err(|e| e.to_string())?;
            let aligned = bytes.as_ptr().addr().is_multiple_of(dtype.size().max(1));
            match aligned {
                true => Ok(Entry { name, dtype, shape, id, bytes }),
                false => Err(format!("tensor `{name}` is not aligned")),
            }
        };
        let tensors = reader.into_tensors().map_err(|e| e.to_string())?;
        Ok(Self { tensors: tensors.into_iter().map(entry).collect::<Result<_, _>>()?, scalars })
    }

    /// The name of a tensor that holds a NaN or an infinity.
    pub(crate) fn not_finite(&self) -> Option<&str> {
        let finite = |entry: &Entry| finite(entry.dtype, &entry.bytes);
        self.tensors.iter().find(|e| !finite(e)).map(|e| e.name.as_str())
    }

    /// Where a run stood, from its model's record.
    pub(crate) fn progress_words(&self) -> Result<Vec<u64>, String> {
        let none =
            || format!("it does not hold `{PROGRESS_PATH}`, so it is no record of an `Apollo`");
        let progress = |e: &&Entry| e.name == PROGRESS_PATH && is_int(e.dtype);
        let Entry { bytes, shape, dtype, .. } =
            self.tensors.iter().find(progress).ok_or_else(none)?;
        let data = TensorData::from_bytes(bytes.clone(), shape.clone(), *dtype);
        Ok(join_halves(&data.iter::<i64>().collect::<Vec<_>>()))
    }

    /// Whether the tensors are of the kinds of `model`'s parameters. Shapes and names are for Burn to check.
    pub(crate) fn check_model(&self, model: &impl Module) -> Result<(), String> {
        let params: HashMap<String, ParamKind> =
            ParamInfo::all(model).into_iter().map(|p| (p.path, p.kind)).collect();
        let other = self.tensors.iter().find_map(|Entry { name, dtype, .. }| {
            let expected = params.get(name).filter(|kind| !kind.is_of(*dtype))?;
            Some(format!("`{name}` holds {dtype:?}, the model {expected:?}"))
        });
        other.map_or(Ok(()), Err)
    }

    /// Whether this is optimizer state of `model`'s parameters.
    /// `is_known` says which fields of Burn's optimizers must have the shape of the parameter, or of its rows or columns.
    pub(crate) fn check_optim(
        &self,
        model: &impl Module,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        let shapes: HashMap<u64, Shape> =
            ParamInfo::all(model).into_iter().map(|p| (p.id.val(), p.shape)).collect();
        for entry in &self.tensors {
            let name = &entry.name;
            let Some(id) = entry.id else { return Err(format!("`{name}` names no parameter")) };
            if !name.strip_prefix(&id.to_string()).is_some_and(|rest| rest.starts_with('.')) {
                return Err(format!("`{name}` does not begin with its parameter's id {id}"));
            }
            if !self.scalars.contains_key(&format!("{id}.{RANK}")) {
                return Err(format!("`{name}` has no `{id}.{RANK}`"));
            }
            let field = &name[id.to_string().len() + 1..];
            if let Some(shape) = shapes.get(&id).filter(|_| is_known(field)) {
                entry.check_state_of(shape)?;
            }
        }
        for (name, value) in &self.scalars {
            let Some(id) = name.strip_suffix(RANK).and_then(|rest| rest.strip_suffix('.')) else {
                continue;
            };
            let expected = id.parse().ok().and_then(|id: u64| shapes.get(&id)).map(Shape::num_dims);
            let Some(expected) = expected else {
                return Err(format!("`{name}` is of a parameter that the model does not have"));
            };
            if usize::try_from(*value) != Ok(expected) {
                return Err(format!(
                    "`{name}` is {value:?}, the parameter has {expected} dimensions"
                ));
            }
        }
        Ok(())
    }

    /// Name and type of the tensors of floating-point numbers.
    pub(crate) fn floats(&self) -> impl Iterator<Item = (&str, DType)> {
        let floats = self.tensors.iter().filter(|e| is_float(e.dtype));
        floats.map(|e| (e.name.as_str(), e.dtype))
    }

    /// The fields of an optimizer's state of the parameter with this id.
    pub(crate) fn state_fields(&self, id: &str) -> Vec<&str> {
        let names = self.tensors.iter().map(|e| e.name.as_str());
        let names = names.chain(self.scalars.keys().map(String::as_str));
        let fields = names.filter_map(|name| name.strip_prefix(id)?.strip_prefix('.'));
        let mut fields: Vec<_> = fields.filter(|field| *field != RANK).collect();
        fields.sort_unstable();
        fields
    }

    /// The first tensor or scalar of this pack that `other` does not hold in the same way.
    pub(crate) fn missing_from(&self, other: &Self) -> Option<&str> {
        let same = |a: &Entry, b: &Entry| {
            (a.dtype, &a.shape, a.id) == (b.dtype, &b.shape, b.id) && a.bytes[..] == b.bytes[..]
        };
        let tensor = self
            .tensors
            .iter()
            .find(|a| !other.tensors.iter().any(|b| a.name == b.name && same(a, b)));
        let scalar =
            self.scalars.iter().find(|(name, value)| other.scalars.get(*name) != Some(value));
        tensor.map(|e| e.name.as_str()).or(scalar.map(|(name, _)| name.as_str()))
    }
}

fn is_float(dtype: DType) -> bool {
    dtype.is_float() || matches!(dtype, DType::QFloat(_))
}

fn is_int(dtype: DType) -> bool {
    dtype.is_int() || dtype.is_uint()
}

impl ParamKind {
    fn is_of(self, dtype: DType) -> bool {
        match self {
            Self::Float | Self::Quantised | Self::Statistic => is_float(dtype),
            Self::Int => is_int(dtype),
            Self::Bool => dtype.is_bool(),
        }
    }
}

/// A number is finite unless all bits of its exponent are set.
fn finite(dtype: DType, bytes: &[u8]) -> bool {
    match dtype {
        DType::F64 => none_has(bytes, [0, 0, 0, 0, 0, 0, 0xf0, 0x7f]),
        DType::F32 | DType::Flex32 => none_has(bytes, [0, 0, 0x80, 0x7f]),
        DType::BF16 => none_has(bytes, [0x80, 0x7f]),
        DType::F16 => none_has(bytes, [0, 0x7c]),
        _ => true,
    }
}

/// Whether no number of `N` bytes has all of these bits set.
fn none_has<const N: usize>(bytes: &[u8], bits: [u8; N]) -> bool {
    let has = |number: &[u8; N]| number.iter().zip(bits).all(|(byte, bits)| byte & bits == bits);
    !bytes.as_chunks().0.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_and_nans_are_seen_in_every_type() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 0.0, -1.5] {
            assert_eq!(finite(DType::F64, &value.to_le_bytes()), value.is_finite());
            let value = value as f32;
            assert_eq!(finite(DType::F32, &value.to_le_bytes()), value.is_finite());
        }
        assert!(!finite(DType::BF16, &0x7f80_u16.to_le_bytes()));
        assert!(finite(DType::BF16, &0x7f7f_u16.to_le_bytes()));
        assert!(!finite(DType::F16, &0xfc01_u16.to_le_bytes()));
        assert!(finite(DType::F16, &0x7bff_u16.to_le_bytes()));
        assert!(finite(DType::I32, &[0xff; 4]));
    }
}
