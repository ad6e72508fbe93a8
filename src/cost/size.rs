use serde::{Deserialize, Serialize};

/// Numbers that a training holds for a model with some of its layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Parameters, each layer's once, however often it runs.
    pub parameters: u64,
    /// The optimizer's state: two for each parameter with Adam, one with a momentum alone.
    pub state: u64,
}

impl Size {
    /// Bytes of parameters, their gradients and the optimizer's state, each number with 4 bytes. Not counted are
    /// activations, which grow with the batch and the virtual depth, and what a step needs beside them.
    pub fn bytes(self) -> u64 {
        4 * (2 * self.parameters + self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_takes_sixteen_bytes_for_each_parameter() {
        assert_eq!(Size { parameters: 10, state: 20 }.bytes(), 160);
        assert_eq!(Size { parameters: 10, state: 10 }.bytes(), 120);
    }
}
