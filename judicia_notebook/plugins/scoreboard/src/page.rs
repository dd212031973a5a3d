//! The board as a page: one table, no script, readable without its style, in light and in dark.
//!
//! - Names come from outside: on the page they are text, each in a box of its own, so that neither markup nor a change
//!   of the writing direction reaches what stands beside it.
//! - Colour says nothing that is not also said by a sign: the minute of a solve, a star where it was the first, a
//!   question mark for what is pending, a dash for what was tried in vain.

use std::fmt::{self, Display, Formatter, Write};

use crate::contest::Settings;
use crate::standings::{Cell, Row, Standings, State};

const STYLE: &str = include_str!("page.css");

/// The whole document.
pub fn document(settings: &Settings, board: &Standings) -> String {
    let mut page = String::with_capacity(4096 + 96 * board.rows.len() * (board.problems.len() + 2));
    // Writing to a string cannot fail.
    let _ = add_document(&mut page, settings, board);
    page
}

fn add_document(page: &mut String, settings: &Settings, board: &Standings) -> fmt::Result {
    let title = Text(settings.title());
    page.push_str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    write!(page, "<title>{}</title><style>{}</style></head><body>", title, STYLE)?;
    write!(page, "<header><h1><bdi>{}</bdi></h1>", title)?;
    add_summary(page, settings, board)?;
    page.push_str("</header><main>");
    if board.rows.is_empty() {
        page.push_str("<p class=\"empty\">No run has been judged yet.</p>");
    } else {
        add_table(page, settings, board)?;
    }
    page.push_str("</main><footer><p>The same as data: <a href=\"standings.json\">standings.json</a></p></footer>");
    page.push_str("</body></html>");
    Ok(())
}

fn add_summary(page: &mut String, settings: &Settings, board: &Standings) -> fmt::Result {
    let solved: usize = board.problems.iter().map(|one| one.solved).sum();
    let pending: usize = board.problems.iter().map(|one| one.pending).sum();
    write!(page, "<p>{}, ", Count(board.rows.len(), "team"))?;
    write!(page, "{}, {}", Count(board.problems.len(), "problem"), Count(solved, "solve"))?;
    if let (true, Some(minute)) = (board.frozen, settings.freeze_minute) {
        match board.hidden {
            0 => write!(page, " <b class=\"state\">freezes at minute {}</b>", minute)?,
            open => {
                write!(page, " <b class=\"state\">frozen since minute {}: {} open</b>", minute, Count(open, "run"))?
            }
        }
    }
    if pending > board.hidden {
        write!(page, " <b class=\"state\">{} not judged yet</b>", Count(pending - board.hidden, "run"))?;
    }
    page.push_str("</p>");
    Ok(())
}

fn add_table(page: &mut String, settings: &Settings, board: &Standings) -> fmt::Result {
    page.push_str("<div class=\"board\"><table><caption>");
    page.push_str("A solved problem shows its minute, below it the tries; <b>\u{2605}</b> the first to solve it. ");
    page.push_str("<b>\u{2013}</b> tried in vain. ");
    if board.frozen {
        page.push_str("<b>?</b> waits for the end of the freeze, with the tries before and since it began. ");
    } else if board.problems.iter().any(|problem| problem.pending > 0) {
        page.push_str("<b>?</b> waits for a judgement, with the tries that have one and those that have none. ");
    }
    write!(page, "A wrong try before the accepted one costs {} minutes.</caption>", settings.penalty_minutes)?;
    page.push_str("<thead><tr><th scope=\"col\">Rank<th scope=\"col\" class=\"team\">Team<th scope=\"col\">Solved");
    page.push_str("<th scope=\"col\">Time");
    for problem in &board.problems {
        write!(page, "<th scope=\"col\"><bdi>{}</bdi>", Text(&problem.label))?;
    }
    page.push_str("<tbody>");
    for row in &board.rows {
        add_row(page, row)?;
    }
    page.push_str("<tfoot><tr><td><th scope=\"row\" class=\"team\">solved by<td><td>");
    for problem in &board.problems {
        write!(page, "<td>{}", problem.solved)?;
    }
    page.push_str("</table></div>");
    Ok(())
}

fn add_row(page: &mut String, row: &Row) -> fmt::Result {
    let Row { rank, name, solved, penalty_minutes, .. } = row;
    write!(page, "<tr><td class=\"rank\">{}<th scope=\"row\" class=\"team\"><bdi>{}</bdi>", rank, Text(name))?;
    write!(page, "<td class=\"sum\">{}<td>{}", solved, penalty_minutes)?;
    row.cells.iter().try_for_each(|cell| add_cell(page, cell))
}

fn add_cell(page: &mut String, cell: &Cell) -> fmt::Result {
    let tries = Tries(cell);
    match (cell.state, cell.minute) {
        (State::Solved, Some(minute)) if cell.first => write!(page, "<td class=\"f\">\u{2605} {}{}", minute, tries),
        (State::Solved, Some(minute)) => write!(page, "<td class=\"s\">{}{}", minute, tries),
        (State::Tried, _) => write!(page, "<td class=\"t\">\u{2013}{}", tries),
        (State::Pending, _) => write!(page, "<td class=\"p\">?{}", tries),
        _ => write!(page, "<td>"),
    }
}

/// The second line of a cell: how often it was tried; what is pending is told apart from what is known.
struct Tries<'a>(&'a Cell);

impl Display for Tries<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Cell { state, wrong, pending, .. } = self.0;
        match (state, wrong) {
            (State::Solved, wrong) => write!(f, "<small>{}</small>", Count(wrong + 1, "try")),
            (State::Pending, 0) => write!(f, "<small>{}</small>", Count(*pending, "try")),
            (State::Pending, wrong) => write!(f, "<small>{} + {}</small>", wrong, pending),
            (_, wrong) => write!(f, "<small>{}</small>", Count(*wrong, "try")),
        }
    }
}

/// A number and what it counts.
struct Count(usize, &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (1, one) => write!(f, "1 {}", one),
            (many, "try") => write!(f, "{} tries", many),
            (many, one) => write!(f, "{} {}s", many, one),
        }
    }
}

/// Text from outside, escaped for elements and attributes; control characters are shown as what they are: unreadable.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for one in self.0.chars() {
            match one {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                one if one.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                one => f.write_char(one)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::Run;
    use crate::standings::{compute, Unfrozen, View};

    fn page(settings: &Settings, runs: Vec<Run>) -> String {
        document(settings, &compute(settings, runs, &Unfrozen::new(), View::Public))
    }

    fn run(team: &str, minute: i64, verdict: &str) -> Run {
        let submission = format!("{}{}", team, minute);
        let (team, problem, verdict) = (team.into(), "A".into(), verdict.into());
        Run { submission, team, problem, time_ms: minute * 60_000, verdict, revision: 0 }
    }

    #[test]
    fn a_name_is_text_wherever_it_stands() {
        let hostile = "</title><script>alert(1)</script><b a='\"&\u{0}\u{9f}";
        let settings = Settings { contest: hostile.into(), ..Settings::default() };
        let page = page(&settings, vec![Run { problem: hostile.into(), ..run(hostile, 1, "accepted") }]);
        let text = "&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;b a=&#39;&quot;&amp;\u{fffd}\u{fffd}";
        assert_eq!(page.matches(text).count(), 4);
        assert!(!page.contains("<script") && !page.contains("<b a"));
    }

    #[test]
    fn a_cell_says_in_signs_what_its_colour_says() {
        let settings = Settings { freeze_minute: Some(60), ..Settings::default() };
        let runs = vec![
            run("first", 1, "accepted"),
            run("later", 2, "wrong_answer"),
            run("later", 3, "accepted"),
            run("vain", 4, "wrong_answer"),
            run("open", 5, "wrong_answer"),
            run("open", 60, "accepted"),
        ];
        let page = page(&settings, runs);
        for cell in [
            "<td class=\"f\">\u{2605} 1<small>1 try</small>",
            "<td class=\"s\">3<small>2 tries</small>",
            "<td class=\"t\">\u{2013}<small>1 try</small>",
            "<td class=\"p\">?<small>1 + 1</small>",
            "4 teams, 1 problem, 2 solves <b class=\"state\">frozen since minute 60: 1 run open</b>",
        ] {
            assert!(page.contains(cell), "{} is not on {}", cell, page);
        }
    }

    #[test]
    fn a_contest_without_runs_is_a_sentence() {
        let page = page(&Settings::default(), Vec::new());
        assert!(page.contains("No run has been judged yet.") && !page.contains("<table"));
    }
}
