//! Simple models of the validation part, counted in one pass over it.

use super::header::{BYTES, TokensError};
use super::tokens::{CHUNK, Tokens};

/// Calls `each` with the ids from `first` on, in order.
fn scan(tokens: &Tokens, first: u64, mut each: impl FnMut(usize)) -> Result<(), TokensError> {
    let end = tokens.header().tokens;
    let mut start = first;
    while start < end {
        let len = (end - start).min(CHUNK as u64 / 4);
        tokens.read(start, len as usize)?.into_iter().for_each(|id| each(id as usize));
        start += len;
    }
    Ok(())
}

/// The cross-entropy of the bigram model that is best from token `first` on, where tokens are bytes.
pub fn best_bigram_loss(tokens: &Tokens, first: u64) -> Result<f64, TokensError> {
    let mut pairs = vec![0_u64; BYTES * BYTES];
    let mut firsts = vec![0_u64; BYTES];
    let mut before = None;
    scan(tokens, first, |id| {
        if let Some(before) = before {
            pairs[before * BYTES + id] += 1;
            firsts[before] += 1;
        }
        before = Some(id);
    })?;
    let total = firsts.iter().sum::<u64>() as f64;
    let seen = pairs.iter().enumerate().filter(|(_, n)| **n > 0);
    Ok(seen.map(|(i, n)| *n as f64 / total * (firsts[i / BYTES] as f64 / *n as f64).ln()).sum())
}

/// The cross-entropy of the unigram model that is best from token `first` on.
pub fn best_unigram_loss(tokens: &Tokens, first: u64) -> Result<f64, TokensError> {
    let mut counts = vec![0_u64; tokens.header().vocabulary];
    scan(tokens, first, |id| counts[id] += 1)?;
    let total = counts.iter().sum::<u64>() as f64;
    let seen = counts.iter().filter(|n| **n > 0).map(|n| *n as f64);
    Ok(seen.map(|n| n / total * (total / n).ln()).sum())
}
