//! What a contest is to the scoreboard: its settings, and a judged run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const MS_PER_MINUTE: i64 = 60_000;
const LONGEST_TITLE: usize = 200;
pub const ACCEPTED: &str = "accepted";

/// How the contest is scored. The defaults are those of the ICPC.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What the contest is called.
    pub contest: String,
    /// When the contest began, on the clock of the runs' `time_ms`.
    pub start_ms: i64,
    /// Runs from this minute on do not count; `None`: there is no end.
    pub duration_minutes: Option<i64>,
    /// Runs from this minute on are hidden from the public until they are unfrozen; `None`: nothing is hidden.
    pub freeze_minute: Option<i64>,
    /// Added for each wrong run before the accepted one.
    pub penalty_minutes: i64,
    /// Verdicts that are not accepted and cost nothing.
    pub free_verdicts: Vec<String>,
    /// In the order of the columns; empty: all that a run names.
    pub problems: Vec<String>,
    /// Who takes part; empty: everybody whom a run names.
    pub teams: Vec<String>,
    /// What teams are called on the board.
    pub names: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            contest: String::new(),
            start_ms: 0,
            duration_minutes: None,
            freeze_minute: None,
            penalty_minutes: 20,
            free_verdicts: vec!["compile_error".into()],
            problems: Vec::new(),
            teams: Vec::new(),
            names: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// These settings with some exchanged; what is wrong is named by its field.
    pub fn changed(&self, fields: &Map<String, Value>) -> Result<Settings, String> {
        let mut changed = self.clone();
        for (name, value) in fields {
            let mut all = changed.fields();
            all.insert(name.clone(), value.clone());
            changed = serde_json::from_value(Value::Object(all)).map_err(|error| match error.to_string() {
                text if text.starts_with("unknown field ") => text,
                text => format!("field `{}`: {}", name, text),
            })?;
        }
        changed.check()?;
        Ok(changed)
    }

    /// The settings by name.
    pub fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.contest.len() > LONGEST_TITLE {
            return Err(format!("field `contest`: longer than {} bytes", LONGEST_TITLE));
        }
        let minutes = [
            ("duration_minutes", self.duration_minutes),
            ("freeze_minute", self.freeze_minute),
            ("penalty_minutes", Some(self.penalty_minutes)),
        ];
        for (name, value) in minutes {
            if !(0..=1_000_000).contains(&value.unwrap_or(0)) {
                return Err(format!("field `{}`: between 0 and 1000000 minutes", name));
            }
        }
        for (name, list) in [("problems", &self.problems), ("teams", &self.teams)] {
            let mut sorted: Vec<_> = list.iter().collect();
            sorted.sort();
            if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(format!("field `{}`: `{}` is there twice", name, twice[0]));
            }
        }
        if self.free_verdicts.iter().any(|verdict| verdict == ACCEPTED) {
            return Err(format!("field `free_verdicts`: `{}` is what solves a problem", ACCEPTED));
        }
        Ok(())
    }

    /// What stands above the board.
    pub fn title(&self) -> &str {
        match self.contest.as_str() {
            "" => "Scoreboard",
            named => named,
        }
    }

    /// The whole minutes since the contest began.
    pub fn minute(&self, run: &Run) -> i64 {
        run.time_ms.saturating_sub(self.start_ms).div_euclid(MS_PER_MINUTE)
    }

    /// Whether the run was submitted while the contest ran, by a team that takes part, for a problem of it.
    pub fn counts(&self, run: &Run) -> bool {
        let minute = self.minute(run);
        let among = |list: &Vec<String>, one: &String| list.is_empty() || list.contains(one);
        minute >= 0
            && self.duration_minutes.map_or(true, |end| minute < end)
            && among(&self.teams, &run.team)
            && among(&self.problems, &run.problem)
    }
}

/// One judged run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Run {
    pub submission: String,
    pub team: String,
    pub problem: String,
    pub time_ms: i64,
    pub verdict: String,
    /// Which judgement of the run this is: a rejudgement has a higher one.
    pub revision: i64,
}

impl Run {
    pub fn accepted(&self) -> bool {
        self.verdict == ACCEPTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(fields: Value) -> Result<Settings, String> {
        Settings::default().changed(fields.as_object().unwrap())
    }

    #[test]
    fn what_is_not_named_stays_and_null_takes_a_limit_away() {
        let settings = changed(json!({"freeze_minute": 240, "teams": ["a"]})).unwrap();
        assert_eq!((settings.freeze_minute, settings.penalty_minutes), (Some(240), 20));
        let settings = settings.changed(json!({"freeze_minute": null}).as_object().unwrap()).unwrap();
        assert_eq!((settings.freeze_minute, settings.teams), (None, vec!["a".to_string()]));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (fields, begins) in [
            (json!({"penalty_minutes": "20"}), "field `penalty_minutes`: invalid type"),
            (json!({"freeze_minute": -1}), "field `freeze_minute`: between"),
            (json!({"freeze": 240}), "unknown field `freeze`"),
            (json!({"problems": ["A", "B", "A"]}), "field `problems`: `A` is there twice"),
            (json!({"free_verdicts": ["accepted"]}), "field `free_verdicts`"),
        ] {
            let text = changed(fields).unwrap_err();
            assert!(text.starts_with(begins), "{}", text);
        }
    }

    #[test]
    fn minutes_are_whole_and_count_from_the_start() {
        let settings = changed(json!({"start_ms": 1_000, "duration_minutes": 2})).unwrap();
        let run = |time_ms| Run {
            submission: "1".into(),
            team: "a".into(),
            problem: "A".into(),
            time_ms,
            verdict: ACCEPTED.into(),
            revision: 0,
        };
        let at = |time_ms| (settings.minute(&run(time_ms)), settings.counts(&run(time_ms)));
        assert_eq!([at(999), at(1_000), at(60_999)], [(-1, false), (0, true), (0, true)]);
        assert_eq!([at(61_000), at(120_999), at(121_000)], [(1, true), (1, true), (2, false)]);
    }
}
