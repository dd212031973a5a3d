//! What a notification says.

/// Title and message. Names come from outside, so they are kept to one line.
pub fn of(
    problem: &str,
    team: &str,
    minute: i64,
    first: bool,
    has_one: bool,
    colour: Option<&str>,
) -> (String, String) {
    let (problem, team) = (one_line(problem), one_line(team));
    let balloon = match colour {
        _ if has_one => "it has its balloon already".into(),
        Some(colour) => format!("a {} balloon", one_line(colour)),
        None => "a balloon".into(),
    };
    if first {
        let message = format!("{} is the first to solve {}, in minute {}: {}.", team, problem, minute, balloon);
        (format!("First solve of {}", problem), message)
    } else {
        (
            format!("Balloon for {}", problem),
            format!("{} has solved {} in minute {}: {}.", team, problem, minute, balloon),
        )
    }
}

fn one_line(name: &str) -> String {
    name.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_first_solve_says_so() {
        let (title, message) = of("C", "Lund", 12, true, false, Some("red"));
        assert_eq!(title, "First solve of C");
        assert_eq!(message, "Lund is the first to solve C, in minute 12: a red balloon.");
        let (_, message) = of("C", "Lund", 12, true, true, Some("red"));
        assert_eq!(message, "Lund is the first to solve C, in minute 12: it has its balloon already.");
    }

    #[test]
    fn a_name_with_a_line_break_stays_on_its_line() {
        let (title, message) = of("C\r\nBcc: x", "a\u{7}b", 1, false, false, None);
        assert_eq!(title, "Balloon for C  Bcc: x");
        assert_eq!(message, "a b has solved C  Bcc: x in minute 1: a balloon.");
    }
}
