//! The rules on small contests.

use crate::contest::{Run, Settings};
use crate::standings::{all_of_it, compute, Row, Standings, Unfrozen, View};

/// Runs from lines `team problem minute verdict`; each is submitted 30 seconds into its minute.
fn runs(lines: &[&str]) -> Vec<Run> {
    let read = |(number, line): (usize, &&str)| {
        let words: Vec<&str> = line.split(' ').collect();
        Run {
            submission: number.to_string(),
            team: words[0].into(),
            problem: words[1].into(),
            time_ms: words[2].parse::<i64>().unwrap() * 60_000 + 30_000,
            verdict: words[3].into(),
            revision: 0,
        }
    };
    lines.iter().enumerate().map(read).collect()
}

fn board(settings: &Settings, lines: &[&str]) -> Standings {
    compute(settings, runs(lines), &Unfrozen::new(), View::Public)
}

/// `rank team solved penalty` of each row, and what the cells show.
fn lines(standings: &Standings) -> Vec<String> {
    standings.rows.iter().map(line).collect()
}

fn line(row: &Row) -> String {
    let Row { rank, team, solved, penalty_minutes, cells, .. } = row;
    let shown: String = cells.iter().map(|cell| format!(" [{}]", cell.shown)).collect();
    format!("{} {} {} {}{}", rank, team, solved, penalty_minutes, shown)
}

#[test]
fn wrong_runs_cost_only_where_the_problem_is_solved_later() {
    let standings = board(
        &Settings::default(),
        &["a A 100 wrong_answer", "a B 140 wrong_answer", "a B 150 accepted", "a C 160 accepted"],
    );
    assert_eq!(lines(&standings), ["1 a 2 330 [1/--] [2/150] [1/160]"]);
}

#[test]
fn what_comes_after_the_accepted_run_does_not_count() {
    let standings = board(&Settings::default(), &["a A 10 accepted", "a A 11 wrong_answer", "a A 12 accepted"]);
    assert_eq!(lines(&standings), ["1 a 1 10 [1/10]"]);
}

#[test]
fn a_free_verdict_costs_nothing() {
    let lines_of = |settings| lines(&board(&settings, &["a A 1 compile_error", "a A 2 accepted"]));
    assert_eq!(lines_of(Settings::default()), ["1 a 1 2 [1/2]"]);
    let nothing_free = serde_json::json!({"free_verdicts": []});
    let settings = Settings::default().changed(nothing_free.as_object().unwrap()).unwrap();
    assert_eq!(lines_of(settings), ["1 a 1 22 [2/2]"]);
}

#[test]
fn the_last_accepted_run_decides_between_equals_and_full_ties_share_a_rank() {
    let standings = board(
        &Settings::default(),
        &[
            "late A 10 accepted",
            "late B 50 accepted",
            "soon A 20 accepted",
            "soon B 40 accepted",
            "twin A 40 accepted",
            "twin B 20 accepted",
            "none A 1 wrong_answer",
            "idle B 1 wrong_answer",
        ],
    );
    let ranks: Vec<_> = standings.rows.iter().map(|row| (row.rank, row.team.as_str())).collect();
    assert_eq!(ranks, [(1, "soon"), (1, "twin"), (3, "late"), (4, "idle"), (4, "none")]);
}

#[test]
fn frozen_runs_are_pending_until_they_are_unfrozen() {
    let settings = Settings { freeze_minute: Some(60), ..Settings::default() };
    let played =
        ["a A 10 wrong_answer", "a A 60 accepted", "b A 59 accepted", "b A 61 wrong_answer", "b B 70 wrong_answer"];
    assert_eq!(lines(&board(&settings, &played)), ["1 b 1 59 [1/59] [?]", "2 a 0 0 [?] []"]);
    assert!(board(&settings, &played).frozen);
    let jury = compute(&settings, runs(&played), &Unfrozen::new(), View::Jury);
    assert_eq!(lines(&jury), ["1 b 1 59 [1/59] [1/--]", "2 a 1 80 [2/60] []"]);
    let some = [("b".to_string(), String::new())].into_iter().collect();
    let partly = compute(&settings, runs(&played), &some, View::Public);
    assert_eq!(lines(&partly), ["1 b 1 59 [1/59] [1/--]", "2 a 0 0 [?] []"]);
    let all = compute(&settings, runs(&played), &[all_of_it()].into_iter().collect(), View::Public);
    assert_eq!((lines(&all), all.frozen), (lines(&jury), false));
}

#[test]
fn the_first_to_solve_a_problem_is_marked() {
    let standings = board(&Settings::default(), &["a A 20 accepted", "b A 10 accepted", "b B 30 wrong_answer"]);
    let firsts: Vec<_> = standings.problems.iter().map(|one| (one.solved, one.first.as_deref())).collect();
    assert_eq!(firsts, [(2, Some("b")), (0, None)]);
    assert_eq!(standings.rows.iter().filter(|row| row.cells[0].first).count(), 1);
}

#[test]
fn the_order_of_arrival_makes_no_difference() {
    let played = ["a A 9 wrong_answer", "a A 10 accepted", "b A 11 wrong_answer", "b A 12 accepted", "a B 13 accepted"];
    let mut arrived = runs(&played);
    arrived.rotate_left(2);
    arrived.reverse();
    let expected = board(&Settings::default(), &played);
    assert_eq!(compute(&Settings::default(), arrived, &Unfrozen::new(), View::Public), expected);
}

#[test]
fn who_is_listed_is_on_the_board_and_nobody_else() {
    let settings = Settings {
        teams: vec!["b".into(), "a".into()],
        problems: vec!["Z".into(), "A".into()],
        duration_minutes: Some(300),
        ..Settings::default()
    };
    let played = ["a A 1 accepted", "c A 1 accepted", "a X 1 accepted", "b A 300 accepted"];
    let standings = board(&settings, &played);
    assert_eq!((lines(&standings), standings.ignored), (vec!["1 a 1 1 [] [1/1]".into(), "2 b 0 0 [] []".into()], 3));
}

#[test]
fn what_is_not_judged_yet_is_pending_to_everybody_and_costs_nothing() {
    let played = ["a A 0 JE", "a A 1 pending", "a A 2 AC", "b A 3 WA", "b A 4 pending"];
    for view in [View::Public, View::Jury] {
        let standings = compute(&Settings::default(), runs(&played), &Unfrozen::new(), view);
        assert_eq!(lines(&standings), ["1 a 1 2 [1/2]", "2 b 0 0 [?]"]);
        assert_eq!(standings.problems[0].first, None);
    }
}

#[test]
fn a_solve_is_the_first_once_no_earlier_run_is_pending() {
    let settings = Settings { freeze_minute: Some(60), ..Settings::default() };
    let played = ["z A 70 accepted", "a A 80 accepted", "b A 90 accepted", "b B 50 accepted", "a B 95 accepted"];
    let firsts = |teams: &[&str]| {
        let unfrozen = teams.iter().map(|team| (team.to_string(), String::new())).collect();
        let board = compute(&settings, runs(&played), &unfrozen, View::Public);
        board.problems.into_iter().map(|one| one.first).collect::<Vec<_>>()
    };
    let (z, b) = (Some("z".to_string()), Some("b".to_string()));
    assert_eq!(firsts(&["a"]), [None, b.clone()]);
    assert_eq!(firsts(&["a", "b"]), [None, b.clone()]);
    assert_eq!(firsts(&["z"]), [z.clone(), b.clone()]);
    assert_eq!(firsts(&["z", "a"]), [z, b]);
}

#[test]
fn runs_of_one_time_are_in_the_order_of_their_numbers() {
    let mut played = runs(&["a A 1 wrong_answer", "a A 1 accepted"]);
    played[0].submission = "9".into();
    played[1].submission = "10".into();
    let board = compute(&Settings::default(), played, &Unfrozen::new(), View::Public);
    assert_eq!(lines(&board), ["1 a 1 21 [2/1]"]);
}
