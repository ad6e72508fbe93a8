//! The parameters that names mean.

use crate::expand::NewLayers;
use crate::wire::{ParamInfo, ParamKind};

impl NewLayers {
    /// Which parameters of a new layer, whose paths within the layer these are, become zero.
    pub fn zeroes<P: AsRef<str>>(&self, paths: &[P]) -> Vec<bool> {
        let mut zero = vec![false; paths.len()];
        for name in self.names() {
            meant_by(name, paths).into_iter().for_each(|i| zero[i] = true);
        }
        zero
    }
}

/// Which parameters of a layer become zero when it is new.
pub(crate) fn zeroed(params: &[ParamInfo], new_layers: &NewLayers) -> Vec<bool> {
    let floats: Vec<&ParamInfo> = params.iter().filter(|p| p.kind == ParamKind::Float).collect();
    let paths: Vec<&str> = floats.iter().map(|p| p.path.as_str()).collect();
    let mut zero = new_layers.zeroes(&paths).into_iter();
    params.iter().map(|p| p.kind == ParamKind::Float && zero.next() == Some(true)).collect()
}

/// The places of the parameters that `name` means.
pub(crate) fn meant_by<P: AsRef<str>>(name: &str, paths: &[P]) -> Vec<usize> {
    let name: Vec<&str> = name.split('.').collect();
    let all = |fits: fn(&[&str], &[&str]) -> bool| -> Vec<usize> {
        let parts = |path: &P| -> bool {
            let parts: Vec<&str> = path.as_ref().split('.').collect();
            fits(&parts, &name)
        };
        (0..paths.len()).filter(|i| parts(&paths[*i])).collect()
    };
    let ending = all(|path, name| path.ends_with(name));
    match ending.is_empty() {
        true => all(|path, name| path.windows(name.len()).any(|part| part == name)),
        false => ending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_takes_precedence_over_what_is_attached_to_it() {
        let paths = ["proj.weight", "proj.weight.lora.a", "proj.weight.lora.b", "proj.bias"];
        assert_eq!(meant_by("proj.weight", &paths), [0]);
        assert_eq!(meant_by("lora.b", &paths), [2]);
        assert_eq!(meant_by("proj", &paths), [0, 1, 2, 3]);
        assert_eq!(meant_by("proj.weight.lora", &paths), [1, 2]);
        for nothing in ["", ".", "proj.", "weigh", "roj.weight", "proj.weight.lora.b.c"] {
            assert!(meant_by(nothing, &paths).is_empty(), "`{nothing}`");
        }
    }
}
