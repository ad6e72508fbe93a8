//! Shares of right answers as bars of text.

/// Lines of a full bar.
const HEIGHT: usize = 4;
/// From nothing to a full line.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// As many bars are as wide as their numbers.
const WIDE: usize = 32;

/// A bar for each share, with its number from 1 beneath it where they are few.
pub fn bars(shares: &[f64]) -> String {
    let wide = shares.len() <= WIDE;
    let mut text = String::new();
    for line in (0..HEIGHT).rev() {
        let label = match line {
            line if line == HEIGHT - 1 => "100 %",
            line if line == HEIGHT / 2 - 1 => " 50 %",
            _ => "",
        };
        text += &format!("{label:<5} ");
        for share in shares {
            let eighths = (share * (8 * HEIGHT) as f64).round() as usize;
            let part = EIGHTHS[eighths.saturating_sub(8 * line).min(8)];
            text.extend([part, part, ' '].into_iter().take(if wide { 3 } else { 1 }));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let numbers = (1..=shares.len()).filter(|_| wide).map(|number| format!("{number:>2} "));
    text + format!("      {}", numbers.collect::<String>()).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_shares() {
        let text = bars(&[1.0, 0.5, 0.28125, 0.0]);
        let lines: Vec<&str> = text.lines().collect();
        let expected =
            ["100 % ██", "      ██", " 50 % ██ ██ ▁▁", "      ██ ██ ██", "       1  2  3  4"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn many_bars_are_narrow() {
        let text = bars(&[1.0; 40]);
        assert_eq!(text.lines().next(), Some(format!("100 % {}", "█".repeat(40)).as_str()));
        assert_eq!(text.trim_end().lines().count(), HEIGHT);
    }
}
