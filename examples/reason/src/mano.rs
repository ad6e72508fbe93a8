//! Arithmetic in prefix notation, modulo a prime: the operations of a tree from its leaves to its root, in one go.
//!
//! Source: Allen-Zhu 2025 (Physics of Language Models 4.1, "Mano"), as in Zhu et al. 2025 (arXiv 2510.25741), B.2: the number of
//! operations is uniform, and so is every operation, every operand, and how many operations of the rest are on the left. A row
//! begins with its number of operations and ends with a sign that asks for the value; here it is then filled up, and the value
//! alone is learned.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::problem::{Answer, Row};

/// Values are from 0 to below it.
pub const VALUES: u8 = 23;
/// Token ids: the values, the operations, what fills up, what asks, then the numbers of operations from 1.
const FIRST_OPERATION: u8 = VALUES;
const PADDING: u8 = FIRST_OPERATION + 3;
const ASK: u8 = PADDING + 1;

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    Value(u8),
    Of(Operation, Box<(Self, Self)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Add,
    Subtract,
    Multiply,
}

const OPERATIONS: [Operation; 3] = [Operation::Add, Operation::Subtract, Operation::Multiply];

pub fn vocabulary(length: usize) -> usize {
    usize::from(ASK) + 1 + length
}

/// The number of operations, the operations, one operand more, and what asks.
pub fn places(length: usize) -> usize {
    2 * length + 3
}

/// An expression of up to `length` operations.
pub fn draw(rng: &mut ChaCha8Rng, length: usize) -> Expression {
    let operations = rng.random_range(1..=length);
    Expression::draw(rng, operations)
}

/// The row of an expression among others of up to `length` operations.
pub fn row(expression: &Expression, length: usize) -> Row {
    let operations = expression.operations();
    let mut tokens = vec![ASK + operations as u8];
    expression.write(&mut tokens);
    tokens.push(ASK);
    let answer = Answer { place: tokens.len() - 1, length: operations, value: expression.value() };
    tokens.resize(places(length), PADDING);
    Row { tokens, answers: vec![answer] }
}

impl Operation {
    fn of(self, left: u8, right: u8) -> u8 {
        let (left, right, values) = (u16::from(left), u16::from(right), u16::from(VALUES));
        let value = match self {
            Self::Add => left + right,
            Self::Subtract => left + values - right,
            Self::Multiply => left * right,
        };
        (value % values) as u8
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
        }
    }
}

impl Expression {
    fn draw(rng: &mut ChaCha8Rng, operations: usize) -> Self {
        let Some(rest) = operations.checked_sub(1) else {
            return Self::Value(rng.random_range(0..VALUES));
        };
        let operation = OPERATIONS[rng.random_range(0..OPERATIONS.len())];
        let on_the_left = rng.random_range(0..=rest);
        let left = Self::draw(rng, on_the_left);
        Self::Of(operation, Box::new((left, Self::draw(rng, rest - on_the_left))))
    }

    pub fn operations(&self) -> usize {
        match self {
            Self::Value(_) => 0,
            Self::Of(_, parts) => 1 + parts.0.operations() + parts.1.operations(),
        }
    }

    fn value(&self) -> u8 {
        match self {
            Self::Value(value) => *value,
            Self::Of(operation, parts) => operation.of(parts.0.value(), parts.1.value()),
        }
    }

    fn write(&self, tokens: &mut Vec<u8>) {
        match self {
            Self::Value(value) => tokens.push(*value),
            Self::Of(operation, parts) => {
                tokens.push(FIRST_OPERATION + *operation as u8);
                parts.0.write(tokens);
                parts.1.write(tokens);
            }
        }
    }
}

/// The expression of a row as text.
pub fn text(tokens: &[u8]) -> String {
    let word = |token: &u8| match token.checked_sub(FIRST_OPERATION) {
        Some(operation) => OPERATIONS[usize::from(operation)].sign().to_owned(),
        None => token.to_string(),
    };
    let words = tokens[1..].iter().take_while(|token| **token < PADDING).map(word);
    words.collect::<Vec<_>>().join(" ")
}

/// The expression of a text in prefix notation, such as `+ * 2 3 4`.
pub fn parse(text: &str) -> Result<Expression, String> {
    let mut words = text.split_whitespace();
    let expression = next(&mut words)?;
    match words.next() {
        None => Ok(expression),
        Some(word) => Err(format!("`{word}` comes after the end of the expression")),
    }
}

fn next<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Expression, String> {
    let word = words.next().ok_or("an operand is missing at the end")?;
    if let Some(operation) = OPERATIONS.into_iter().find(|operation| operation.sign() == word) {
        let left = next(words)?;
        return Ok(Expression::Of(operation, Box::new((left, next(words)?))));
    }
    let value = word.parse().ok().filter(|value| *value < VALUES);
    value.map(Expression::Value).ok_or_else(|| {
        format!("`{word}` is neither +, - or * nor a number from 0 to {}", VALUES - 1)
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn expressions_are_read_and_have_values() {
        for (text, operations, value) in
            [("7", 0, 7), ("+ 20 5", 1, 2), ("- 3 5", 1, 21), ("- + 1 2 * 5 5", 3, 1)]
        {
            let expression = parse(text).unwrap();
            assert_eq!(
                (expression.operations(), expression.value()),
                (operations, value),
                "{text}"
            );
        }
        for (text, words) in [
            ("", "missing"),
            ("+ 1", "missing"),
            ("+ 1 2 3", "`3` comes after"),
            ("+ 1 23", "`23` is neither"),
            ("/ 1 2", "`/` is neither"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_row_asks_once_for_the_value() {
        let row = row(&parse("- + 1 2 22").unwrap(), 3);
        let expected =
            [ASK + 2, FIRST_OPERATION + 1, FIRST_OPERATION, 1, 2, 22, ASK, PADDING, PADDING];
        assert_eq!(row.tokens, expected);
        assert_eq!(row.answers, [Answer { place: 6, length: 2, value: 4 }]);
        assert!(row.tokens.iter().all(|token| usize::from(*token) < vocabulary(3)));
    }

    #[test]
    fn all_numbers_of_operations_are_drawn_alike() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[draw(&mut rng, 4).operations() - 1] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
