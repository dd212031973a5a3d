//! Times as the CLICS Contest API writes them, in milliseconds.

/// A relative time, `(-)h:mm:ss(.uuu)`.
pub fn relative(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || minutes.len() != 2 {
        return None;
    }
    let hours = number(hours, 1..=6)?;
    Some(sign * ((hours * 60 + below_sixty(minutes)?) * 60_000 + milliseconds(seconds)?))
}

/// An absolute time, `yyyy-mm-ddThh:mm:ss(.uuu)` with `Z`, `+hh`, `+hhmm` or `+hh:mm`, since 1970.
pub fn absolute(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(&['T', 't'][..])?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = (number(year, 4..=4)?, number(month, 2..=2)?, number(day, 2..=2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let at = time.find(&['Z', 'z', '+', '-'][..])?;
    let (clock, zone) = time.split_at(at);
    if clock.find(':')? != 2 {
        return None;
    }
    Some(days(year, month, day) * 86_400_000 + relative(clock)? - offset(zone)?)
}

fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("Z") {
        return Some(0);
    }
    let (sign, digits) = zone.strip_prefix('-').map_or((1, &zone[1..]), |digits| (-1, digits));
    let digits = digits.replacen(':', "", 1);
    let (hours, minutes) = digits.split_at(digits.len().min(2));
    let minutes = if minutes.is_empty() { 0 } else { number(minutes, 2..=2)? };
    Some(sign * (number(hours, 2..=2)? * 60 + minutes) * 60_000)
}

/// Days since 1970-01-01 in the Gregorian calendar, with years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `ss(.uuu)`; what is finer than milliseconds is cut off.
fn milliseconds(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    number(fraction, 1..=18)?;
    if seconds.len() != 2 {
        return None;
    }
    Some(below_sixty(seconds)? * 1000 + number(&format!("{}00", fraction)[..3], 3..=3)?)
}

fn below_sixty(text: &str) -> Option<i64> {
    number(text, 1..=2).filter(|number| *number < 60)
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let is_number = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_are_milliseconds() {
        for (text, expected) in [
            ("0:00:00", 0),
            ("1:22:05.034", 4_925_034),
            ("-0:10:00.5", -600_500),
            ("100:00:00", 360_000_000),
            ("4:59:59.9999", 17_999_999),
        ] {
            assert_eq!(relative(text), Some(expected), "{}", text);
        }
        for text in
            ["", "1:2:3", "1:60:00", "0:00:60", "1:00", "1:00:00:00", "a:00:00", "1:00:00.", "+1:00:00", "1:00:0"]
        {
            assert_eq!(relative(text), None, "{}", text);
        }
    }

    #[test]
    fn absolute_times_are_milliseconds_since_1970() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2014-06-25T10:00:00+01", 1_403_686_800_000),
            ("2014-06-25T10:00:00.250+01:00", 1_403_686_800_250),
            ("2000-02-29T23:59:59-0330", 951_881_399_000),
            ("1969-12-31T23:59:59Z", -1_000),
        ] {
            assert_eq!(absolute(text), Some(expected), "{}", text);
        }
        for text in
            ["2014-06-25", "2014-06-25T10:00:00", "2014-13-01T00:00:00Z", "14-06-25T10:00:00Z", "2014-06-25 10:00:00Z"]
        {
            assert_eq!(absolute(text), None, "{}", text);
        }
    }
}
