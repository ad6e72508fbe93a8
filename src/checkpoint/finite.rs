//! States that JSON can hold: its numbers are finite, and serde_json writes `null` for others without a word.

use ciborium::Value;
use serde::Serialize;

/// # Errors
///
/// What JSON cannot hold of `state`.
pub(super) fn check(state: &(impl Serialize + ?Sized)) -> Result<(), String> {
    // CBOR keeps numbers as they are.
    match not_finite(&Value::serialized(state).map_err(|e| e.to_string())?) {
        None => Ok(()),
        Some(value) => Err(format!(
            "it holds {value}, which JSON has no number for: save an `Option`, or the bits of the number"
        )),
    }
}

fn not_finite(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value).filter(|value| !value.is_finite()),
        Value::Array(values) => values.iter().find_map(not_finite),
        Value::Map(entries) => entries.iter().find_map(|(_, value)| not_finite(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn numbers_that_are_not_finite_are_found_wherever_they_are() {
        #[derive(Serialize)]
        enum Kind {
            Tuple(u8, f32),
            Struct { best: Option<f64> },
            New(f64),
        }
        for best in [f64::INFINITY, f64::NAN] {
            assert!(check(&best).unwrap_err().contains("JSON"));
            assert!(check(&[(1, vec![Some(best)])]).is_err());
            assert!(check(&BTreeMap::from([("best", best)])).is_err());
            assert!(check(&Kind::Tuple(1, best as f32)).is_err());
            assert!(check(&Kind::Struct { best: Some(best) }).is_err());
            assert!(check(&Kind::New(best)).is_err());
        }
        let fine = (1_u64, "two", [3.0], Kind::Struct { best: None }, BTreeMap::from([(4, 'x')]));
        assert_eq!(check(&fine), Ok(()));
        assert_eq!(check(&Kind::Tuple(1, f32::MAX)), Ok(()));
    }
}
