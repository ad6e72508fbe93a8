//! The checksums of a set, in the format of the `sha256sum` tool.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The checksums of the files of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sums(BTreeMap<String, [u8; 32]>);

impl Sums {
    pub(super) fn new(sums: impl IntoIterator<Item = (String, [u8; 32])>) -> Self {
        Self(sums.into_iter().collect())
    }

    /// Lines of 64 hexadecimal digits, two spaces and a name, sorted by name.
    ///
    /// # Errors
    ///
    /// What is wrong, by line. Only the names in `known` are taken, so no name leads out of the set.
    pub(super) fn parse(text: &[u8], known: &[&str]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut sums = BTreeMap::new();
        for (line, content) in (1..).zip(text.split_terminator('\n')) {
            let (sum, name) = content
                .split_once("  ")
                .and_then(|(hex, name)| Some((digest(hex)?, name)))
                .ok_or_else(|| format!("line {line} is not a checksum and a name"))?;
            if !known.contains(&name) {
                return Err(format!("line {line} names the unknown file {name:?}"));
            }
            if sums.insert(name.to_owned(), sum).is_some() {
                return Err(format!("line {line} names {name} again"));
            }
        }
        match text.ends_with('\n') {
            true => Ok(Self(sums)),
            false => Err("its last line is cut short".to_owned()),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8; 32]> {
        self.0.get(name)
    }
}

impl std::fmt::Display for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, sum) in &self.0 {
            sum.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str("  ")?;
            f.write_str(name)?;
            f.write_char('\n')?;
        }
        Ok(())
    }
}

/// The bytes of 64 lower-case hexadecimal digits.
fn digest(hex: &str) -> Option<[u8; 32]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut sum = [0; 32];
    for (byte, [high, low]) in sum.iter_mut().zip(pairs) {
        *byte = (value(*high)? << 4) | value(*low)?;
    }
    Some(sum)
}

/// The SHA-256 checksum of `bytes`.
pub(super) fn checksum(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The SHA-256 checksum of what `reader` gives.
pub(super) fn checksum_of(mut reader: impl std::io::Read) -> std::io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            Sums::new([("a".to_owned(), checksum(b""))]).to_string(),
            format!("{empty}  a\n")
        );
        assert_eq!(checksum_of(&[7_u8; 200_000][..]).unwrap(), checksum(&[7; 200_000]));
    }

    #[test]
    fn lines_round_trip_and_wrong_ones_are_refused() {
        let sums = Sums::new([("a".to_owned(), [1; 32]), ("b".to_owned(), [0xfe; 32])]);
        let text = sums.to_string();
        let parse = |text: &str| Sums::parse(text.as_bytes(), &["a", "b"]);
        assert_eq!(parse(&text).unwrap(), sums);
        for (wrong, why) in [
            (text.replace("  b", "  ../b"), "unknown file"),
            (text.replace("  b", " b"), "line 2"),
            (text.replace("  b", "  a"), "again"),
            (text.replace("fe", "FE"), "line 2"),
            (text.replace("0101", "01"), "line 1"),
            (text.trim_end().to_owned(), "cut short"),
            (String::new(), "cut short"),
        ] {
            let error = parse(&wrong).unwrap_err();
            assert!(error.contains(why), "{error} should contain {why}");
        }
        assert!(Sums::parse(b"\xff", &[]).is_err());
    }
}
