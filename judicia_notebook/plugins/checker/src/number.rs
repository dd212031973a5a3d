//! Reading a token as a number and comparing two of them within a tolerance.

/// How far a number may be from the expected one: within either of the two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    pub absolute: f64,
    pub relative: f64,
}

/// A token read as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer that is kept exact: doubles would call 9007199254740993 and ...992 equal.
    Integer(i128),
    Finite(f64),
    /// `inf` or `infinity`, in any case.
    Infinite {
        negative: bool,
    },
    /// `nan`, in any case and with any sign.
    Nan,
    /// A decimal number beyond the range of doubles. It is no infinity, and no tolerance can be checked against it.
    TooLarge,
}

impl Number {
    /// Reads decimal numbers (`-1`, `+.5`, `2.`, `1e-9`), infinities and NaN; `None` for any other text.
    ///
    /// Hexadecimal floats, digit groups, decimal commas and suffixes are other text.
    pub fn read(token: &[u8]) -> Option<Number> {
        let text = std::str::from_utf8(token).ok()?;
        let digits = text.strip_prefix(&['+', '-'][..]).unwrap_or(text);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
            if let Ok(integer) = text.parse() {
                return Some(Number::Integer(integer));
            }
        }
        let value: f64 = text.parse().ok()?;
        Some(if value.is_nan() {
            Number::Nan
        } else if value.is_finite() {
            Number::Finite(value)
        } else if digits.starts_with(&['i', 'I'][..]) {
            Number::Infinite { negative: value < 0.0 }
        } else {
            Number::TooLarge
        })
    }

    fn double(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Finite(value) => value,
            Number::Infinite { negative: false } => f64::INFINITY,
            Number::Infinite { negative: true } => f64::NEG_INFINITY,
            Number::Nan | Number::TooLarge => f64::NAN,
        }
    }

    fn is_finite(self) -> bool {
        matches!(self, Number::Integer(_) | Number::Finite(_))
    }
}

/// Compares two numbers; `Err` says why they are not close enough.
pub fn close(found: Number, expected: Number, tolerance: Tolerance) -> Result<(), String> {
    use Number::{Infinite, Nan, TooLarge};
    match (found, expected) {
        (TooLarge, _) | (_, TooLarge) => Err("the number is beyond the range of a double".into()),
        (Nan, Nan) => Ok(()),
        (Nan, _) => Err("NaN where a number is expected".into()),
        (_, Nan) => Err("a number where NaN is expected".into()),
        (Infinite { negative: one }, Infinite { negative: other }) if one == other => Ok(()),
        _ if found.is_finite() && expected.is_finite() => close_finite(found, expected, tolerance),
        _ => Err("an infinity does not match any other number".into()),
    }
}

fn close_finite(found: Number, expected: Number, tolerance: Tolerance) -> Result<(), String> {
    let difference = match (found, expected) {
        (Number::Integer(one), Number::Integer(other)) => match one.checked_sub(other) {
            Some(difference) => difference as f64,
            None => one as f64 - other as f64,
        },
        _ => found.double() - expected.double(),
    }
    .abs();
    let magnitude = expected.double().abs();
    // Reading decimals rounds each by up to half a unit in the last place: 1.1 is within 0.1 of 1.0, its double is not.
    let rounding = magnitude * f64::EPSILON + found.double().abs() * f64::EPSILON;
    let within = |limit: f64| limit > 0.0 && difference <= limit + rounding;
    if difference == 0.0 || within(tolerance.absolute) || within(tolerance.relative * magnitude) {
        return Ok(());
    }
    Err(if magnitude == 0.0 {
        format!("differs by {}", shown(difference))
    } else {
        format!("differs by {}, relatively by {}", shown(difference), shown(difference / magnitude))
    })
}

/// A number to six digits; the very large and very small ones with an exponent.
fn shown(value: f64) -> String {
    let rounded = format!("{:.5e}", value).parse().unwrap_or(value);
    if (1e-4..1e7).contains(&rounded) {
        format!("{}", rounded)
    } else {
        format!("{:e}", rounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Number> {
        Number::read(text.as_bytes())
    }

    fn near(found: &str, expected: &str, absolute: f64, relative: f64) -> bool {
        close(read(found).unwrap(), read(expected).unwrap(), Tolerance { absolute, relative }).is_ok()
    }

    #[test]
    fn decimal_notations_are_numbers() {
        for text in ["0", "-0", "+7", "1.", ".5", "-.5e3", "1E+9", "00012", "1e-400"] {
            assert!(matches!(read(text), Some(Number::Integer(_) | Number::Finite(_))), "{}", text);
        }
    }

    #[test]
    fn other_texts_are_not() {
        for text in [
            "", "+", "-", ".", "e5", "1e", "0x1p3", "0x10", "1,5", "1_000", "1f", "--1", "1.2.3", "١", "infinit",
            "nan(1)",
        ] {
            assert_eq!(read(text), None, "{}", text);
        }
    }

    #[test]
    fn infinities_and_nan_are_read_in_any_case() {
        assert_eq!(read("-INF"), Some(Number::Infinite { negative: true }));
        assert_eq!(read("Infinity"), Some(Number::Infinite { negative: false }));
        assert_eq!(read("-NaN"), Some(Number::Nan));
    }

    #[test]
    fn a_decimal_out_of_range_is_no_infinity() {
        assert_eq!(read("1e400"), Some(Number::TooLarge));
        assert!(!near("1e400", "inf", 1e9, 1e9));
        assert!(!near("1e400", "1e401", 1e9, 1e9));
    }

    #[test]
    fn either_tolerance_is_enough() {
        assert!(near("1000000.5", "1000000", 0.5, 0.0));
        assert!(near("1000001", "1000000", 0.0, 1e-6));
        assert!(!near("1000002", "1000000", 0.5, 1e-6));
        assert!(near("1e-9", "0", 1e-6, 0.0));
        assert!(!near("1e-9", "0", 0.0, 1e-6));
    }

    #[test]
    fn the_rounding_of_decimals_does_not_count() {
        assert!(near("1.1", "1.0", 0.1, 0.0));
        assert!(!near("1.1000001", "1.0", 0.1, 0.0));
    }

    #[test]
    fn without_tolerance_only_equal_numbers_match() {
        assert!(near("1.50", "1.5", 0.0, 0.0));
        assert!(near("-0.0", "0", 0.0, 0.0));
        assert!(!near("0.30000000000000004", "0.3", 0.0, 0.0));
    }

    #[test]
    fn integers_are_compared_exactly() {
        assert!(!near("9007199254740993", "9007199254740992", 0.0, 0.0));
        assert!(!near("170141183460469231731687303715884105727", "-170141183460469231731687303715884105727", 1.0, 1.0));
        assert!(near(&"9".repeat(50), &format!("{}.0", "9".repeat(50)), 0.0, 0.0));
    }

    #[test]
    fn infinities_match_themselves_only() {
        assert!(near("inf", "+Infinity", 0.0, 0.0));
        assert!(!near("inf", "-inf", 1e300, 1e300));
        assert!(!near("1e308", "inf", 1e300, 1e300));
        assert!(near("NAN", "nan", 0.0, 0.0));
        assert!(!near("0", "nan", 1e300, 1e300));
    }

    #[test]
    fn opposite_extremes_do_not_overflow_into_a_match() {
        assert!(!near("1e308", "-1e308", 0.0, 0.5));
    }
}
