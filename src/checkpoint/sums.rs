//! The checksums of a set, in the format of the `sha256sum` tool.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// The checksums of the files of a set by name: 64 hexadecimal digits each.
pub(super) type Sums = BTreeMap<String, String>;

/// Lines of a checksum, two spaces and a name, sorted by name.
///
/// # Errors
///
/// What is wrong, by line. Only the names in `known` are taken, so no name leads out of the set.
pub(super) fn parse(text: &[u8], known: &[&str]) -> Result<Sums, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let mut sums = BTreeMap::new();
    for (line, content) in (1..).zip(text.split_terminator('\n')) {
        let (sum, name) = content
            .split_once("  ")
            .filter(|(sum, _)| sum.len() == 64 && sum.bytes().all(is_digit))
            .ok_or_else(|| format!("line {line} is not a checksum and a name"))?;
        if !known.contains(&name) {
            return Err(format!("line {line} names the unknown file {name:?}"));
        }
        if sums.insert(name.to_owned(), sum.to_owned()).is_some() {
            return Err(format!("line {line} names {name} again"));
        }
    }
    match text.ends_with('\n') {
        true => Ok(sums),
        false => Err("its last line is cut short".to_owned()),
    }
}

/// What [`parse`] reads.
pub(super) fn lines(sums: &Sums) -> String {
    sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect()
}

/// The SHA-256 checksum of what `reader` gives.
pub(super) fn checksum(mut reader: impl std::io::Read) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let sums = Sums::from([("a".to_owned(), checksum(&b""[..]).unwrap())]);
        assert_eq!(lines(&sums), format!("{empty}  a\n"));
        let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        assert_eq!(checksum(&[b'a'; 1_000_000][..]).unwrap(), million);
    }

    #[test]
    fn lines_round_trip_and_wrong_ones_are_refused() {
        let sums =
            Sums::from([("a".to_owned(), "01".repeat(32)), ("b".to_owned(), "fe".repeat(32))]);
        let text = lines(&sums);
        let parsed = |text: &str| parse(text.as_bytes(), &["a", "b"]);
        assert_eq!(parsed(&text).unwrap(), sums);
        for (wrong, why) in [
            (text.replace("  b", "  ../b"), "unknown file"),
            (text.replace("  b", " b"), "line 2"),
            (text.replace("  b", "  a"), "again"),
            (text.replace("fe", "FE"), "line 2"),
            (text.replace("0101", "01"), "line 1"),
            (text.trim_end().to_owned(), "cut short"),
            (String::new(), "cut short"),
        ] {
            let error = parsed(&wrong).unwrap_err();
            assert!(error.contains(why), "{error} should contain {why}");
        }
        assert!(parse(b"\xff", &[]).is_err());
    }
}
