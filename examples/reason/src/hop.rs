//! Jumps back through a row of letters: from a place to the one after the last earlier place with the same letter, so many times.
//!
//! Source: Sanford, Hsu & Telgarsky 2024 (arXiv 2402.09268), k-hop induction heads: the number of jumps stands before the letters,
//! and every letter is asked for what the jumps from it lead to. Here no letter follows itself, as a jump from its repetition would
//! lead nowhere else, and letters from which the jumps lead out of the row are not asked.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::problem::{Answer, Row};

/// Letters; further tokens are the numbers of jumps from 1.
pub const LETTERS: u8 = 4;
/// Letters in a row for each jump: one leads three letters back in the mean, so that many have all jumps before them.
const FOR_A_JUMP: usize = 6;

pub fn vocabulary(length: usize) -> usize {
    usize::from(LETTERS) + length
}

pub fn places(length: usize) -> usize {
    1 + FOR_A_JUMP * length
}

/// A row of up to `length` jumps.
pub fn draw(rng: &mut ChaCha8Rng, length: usize) -> Row {
    let jumps = rng.random_range(1..=length);
    let mut letter = rng.random_range(0..LETTERS);
    let next = |_| {
        letter = (letter + rng.random_range(1..LETTERS)) % LETTERS;
        letter
    };
    let letters: Vec<u8> = (1..places(length)).map(next).collect();
    row(jumps, &letters)
}

/// The row of letters that are asked for so many jumps.
pub fn row(jumps: usize, letters: &[u8]) -> Row {
    let before = places_before(letters);
    let jump = |place: usize| before[place];
    let answer = |place: usize| {
        let end = (0..jumps).try_fold(place, |place, _| jump(place))?;
        Some(Answer { place: place + 1, length: jumps, value: letters[end] })
    };
    let tokens = [&[LETTERS - 1 + jumps as u8], letters].concat();
    Row { tokens, answers: (0..letters.len()).filter_map(answer).collect() }
}

/// Of each place, where a jump from it leads.
fn places_before(letters: &[u8]) -> Vec<Option<usize>> {
    let mut after = [None; LETTERS as usize];
    let jump = |(place, letter): (usize, &u8)| after[usize::from(*letter)].replace(place + 1);
    letters.iter().enumerate().map(jump).collect()
}

/// The number of jumps and the letters of a text such as `2: abcab`.
pub fn parse(text: &str) -> Result<(usize, Vec<u8>), String> {
    let (jumps, letters) =
        text.split_once(':').ok_or("the number of jumps, a colon and letters")?;
    let jumps = jumps.trim();
    let count = jumps.parse().ok().filter(|jumps| *jumps > 0);
    let count = count.ok_or_else(|| format!("`{jumps}` is not a number of jumps"))?;
    let letter = |c: char| match c {
        'a'..='d' => Ok(c as u8 - b'a'),
        _ => Err(format!("`{c}` is not a letter from a to d")),
    };
    let letters = letters.chars().filter(|c| !c.is_whitespace()).map(letter);
    Ok((count, letters.collect::<Result<_, _>>()?))
}

/// A value as text.
pub fn letter(value: u8) -> char {
    char::from(b'a' + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_leads_behind_the_last_place_with_the_same_letter() {
        let (jumps, letters) = parse("1: abcab ca").unwrap();
        let found = row(jumps, &letters);
        assert_eq!(found.tokens, [LETTERS, 0, 1, 2, 0, 1, 2, 0]);
        // The second a leads to the first b, the second b to the first c, the second c to the second a, the third a to the second b.
        let values: Vec<(usize, u8)> = found.answers.iter().map(|a| (a.place, a.value)).collect();
        assert_eq!(values, [(4, 1), (5, 2), (6, 0), (7, 1)]);

        // From the third a to the second b, from there to the first c.
        let (jumps, letters) = parse("2: abcabca").unwrap();
        let found = row(jumps, &letters);
        let last = Answer { place: 7, length: 2, value: 2 };
        assert_eq!((found.tokens[0], found.answers.last()), (LETTERS + 1, Some(&last)));
    }

    #[test]
    fn many_letters_have_all_jumps_before_them_and_none_follows_itself() {
        use rand::SeedableRng;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rows: Vec<Row> = (0..500).map(|_| draw(&mut rng, 6)).collect();
        let asked = |jumps: usize| -> f64 {
            let rows = rows.iter().filter(|row| usize::from(row.tokens[0]) == jumps + 3);
            let (count, asked) = rows.fold((0, 0), |(n, a), row| (n + 1, a + row.answers.len()));
            asked as f64 / (count * (places(6) - 1)) as f64
        };
        assert!(asked(1) > 0.85 && asked(6) > 0.3, "{} {}", asked(1), asked(6));
        let repeats = |row: &Row| row.tokens[1..].windows(2).any(|pair| pair[0] == pair[1]);
        assert!(!rows.iter().any(repeats));
    }

    #[test]
    fn what_is_no_row_is_named() {
        for (text, words) in
            [("abc", "colon"), ("0: abc", "`0`"), ("x: abc", "`x`"), ("1: abe", "`e`")]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
