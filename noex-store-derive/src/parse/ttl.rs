//! Times to live.

/// What a time to live looks like.
pub(super) const GRAMMAR: &str = "a time to live is a number with a unit, `ttl = \"30m\"` (`s` seconds, `m` minutes, \
                                  `h` hours, `d` days), or whole milliseconds, `ttl = 5000`";

/// The milliseconds of a time to live: `30m`, `1.5h`, `5000`.
pub(super) fn millis(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, text.get(number.len()..).unwrap_or_default()),
        None => (text, ""),
    };
    let unit: u128 = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ if number.contains('.') => {
            return Err(format!("`{text}` is a number of milliseconds, which must be whole; {GRAMMAR}"));
        }
        _ => 1,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(format!("`{text}` is not a time to live; {GRAMMAR}"));
    }
    let too_long = || format!("`{text}` is longer than can be counted: 584 million years; leave out `ttl`");
    // Digits beyond the ninth are less than a millisecond of any unit.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or_default());
    let whole: u128 = whole.parse().map_err(|_| too_long())?;
    let fraction: u128 = fraction.parse().map_err(|_| too_long())?;
    let millis = whole
        .checked_mul(unit)
        .and_then(|whole| whole.checked_add(fraction * unit / scale))
        .and_then(|millis| u64::try_from(millis).ok())
        .ok_or_else(too_long)?;
    if millis == 0 {
        return Err("`ttl` must be at least one millisecond: records would expire at once".to_owned());
    }
    Ok(millis)
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn good() {
        for (text, expected) in [
            ("30m", 1_800_000),
            ("1s", 1_000),
            ("1.5h", 5_400_000),
            ("2d", 172_800_000),
            ("5000", 5_000),
            ("0.001s", 1),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad() {
        for text in [
            "",
            "m",
            "30 min",
            "-1s",
            "1.s",
            ".5s",
            "1.5",
            "0",
            "0s",
            "0.0001s",
            "18446744073709551616",
            "1w",
        ] {
            assert!(millis(text).is_err(), "{text}");
        }
        assert!(millis("99999999999999999999999999999999999999999d").is_err_and(|m| m.contains("longer")));
        assert!(millis("300000000000000d").is_err_and(|m| m.contains("longer")));
    }
}
