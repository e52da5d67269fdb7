//! Amounts of bytes, as people write and read them.

use std::fmt;

/// The units that are understood; a bare number is bytes.
const UNITS: [(&str, u64); 9] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
];

/// Reads an amount such as `256MiB`, `1 GiB` or `1048576`.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits, *factor)))
        .unwrap_or((text, 1));
    digits
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| format!("{text:?} is not an amount of bytes, such as 256MiB"))
}

/// An amount, printed with the largest binary unit that leaves at least one before the point.
#[derive(Clone, Copy)]
pub struct Amount(pub u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        for (unit, shift) in [("TiB", 40_u32), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if bytes >> shift > 0 {
                // In hundredths, without floating point: exact for every u64.
                let hundredths = (u128::from(bytes) * 100) >> shift;
                return write!(f, "{}.{:02} {unit}", hundredths / 100, hundredths % 100);
            }
        }
        write!(f, "{bytes} B")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_and_bare_numbers() {
        assert_eq!(parse("256MiB"), Ok(256 << 20));
        assert_eq!(parse(" 1 GiB "), Ok(1 << 30));
        assert_eq!(parse("2GB"), Ok(2_000_000_000));
        assert_eq!(parse("64M"), Ok(64 << 20));
        assert_eq!(parse("1048576"), Ok(1 << 20));
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in ["", "MiB", "-1", "1.5GiB", "12 potatoes", "99999999999GiB"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn prints_the_largest_fitting_unit() {
        assert_eq!(Amount(0).to_string(), "0 B");
        assert_eq!(Amount(1023).to_string(), "1023 B");
        assert_eq!(Amount(1536).to_string(), "1.50 KiB");
        assert_eq!(Amount(5 << 30).to_string(), "5.00 GiB");
        assert_eq!(Amount(u64::MAX).to_string(), "16777215.99 TiB");
    }
}
