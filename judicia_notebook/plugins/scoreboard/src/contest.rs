//! What a contest is to the scoreboard: its settings, and a judged run.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::verdicts::{self, Meaning};

pub const MS_PER_MINUTE: i64 = 60_000;
const LONGEST_TITLE: usize = 200;
/// The settings that say what verdicts mean.
const VERDICTS: [(&str, Meaning); 4] = [
    ("solving_verdicts", Meaning::Solves),
    ("costly_verdicts", Meaning::Costs),
    ("free_verdicts", Meaning::Free),
    ("pending_verdicts", Meaning::Pending),
];

/// How the contest is scored. The defaults are those of the ICPC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
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
    /// Verdicts that solve a problem.
    pub solving_verdicts: Vec<String>,
    /// Verdicts that cost a penalty.
    pub costly_verdicts: Vec<String>,
    /// Verdicts that count for nothing.
    pub free_verdicts: Vec<String>,
    /// Verdicts that say that a run is not judged yet.
    pub pending_verdicts: Vec<String>,
    /// In the order of the columns; empty: all that a run names.
    pub problems: Vec<String>,
    /// Who takes part; empty: everybody whom a run names.
    pub teams: Vec<String>,
    /// What teams are called on the board.
    pub names: BTreeMap<String, String>,
    /// What problems are called on the board.
    pub labels: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            contest: String::new(),
            start_ms: 0,
            duration_minutes: None,
            freeze_minute: None,
            penalty_minutes: 20,
            solving_verdicts: owned(&verdicts::SOLVING),
            costly_verdicts: owned(&verdicts::COSTLY),
            free_verdicts: owned(&verdicts::FREE),
            pending_verdicts: owned(&verdicts::UNJUDGED),
            problems: Vec::new(),
            teams: Vec::new(),
            names: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.into()).collect()
}

impl Settings {
    /// These settings with some exchanged; what is wrong is named by its field.
    pub fn changed(&self, fields: &Map<String, Value>) -> Result<Settings, String> {
        let mut changed = self.with(fields).map_err(|error| {
            let alone =
                |(name, value): (&String, &Value)| self.with(&[(name.clone(), value.clone())].into_iter().collect());
            // All together the fields are refused without saying which of them is wrong.
            match fields.iter().find_map(|field| alone(field).err().map(|error| (field.0, error.to_string()))) {
                Some((_, text)) if text.starts_with("unknown field ") => text,
                Some((name, text)) => format!("field `{}`: {}", name, text),
                None => error.to_string(),
            }
        })?;
        changed.sort_out_verdicts(fields)?;
        changed.check()?;
        Ok(changed)
    }

    fn with(&self, fields: &Map<String, Value>) -> serde_json::Result<Settings> {
        let mut all = self.fields();
        all.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        serde_json::from_value(Value::Object(all))
    }

    /// Leaves each verdict in one list: what a changed list names leaves the others, and a verdict that is known by
    /// default and in no list any more goes to its own.
    fn sort_out_verdicts(&mut self, changed: &Map<String, Value>) -> Result<(), String> {
        let named: Vec<_> = VERDICTS.iter().filter(|(name, _)| changed.contains_key(*name)).collect();
        for (at, &&(name, meaning)) in named.iter().enumerate() {
            for verdict in self.verdicts(meaning).clone() {
                if let Some(objection) = verdicts::objection(&verdict, meaning) {
                    return Err(format!("field `{}`: `{}` {}", name, verdict, objection));
                }
                if let Some((other, _)) = named[..at].iter().find(|(_, other)| self.verdicts(*other).contains(&verdict))
                {
                    return Err(format!("field `{}`: `{}` is among the `{}`, too", name, verdict, other));
                }
                for (_, other) in VERDICTS.iter().filter(|(other, _)| !changed.contains_key(*other)) {
                    self.verdicts(*other).retain(|kept| *kept != verdict);
                }
            }
        }
        if !named.is_empty() {
            for verdict in verdicts::known().filter(|verdict| self.meaning(verdict).is_none()).collect::<Vec<_>>() {
                self.verdicts(verdicts::home(verdict).unwrap_or(Meaning::Costs)).push(verdict.into());
            }
        }
        Ok(())
    }

    fn verdicts(&mut self, meaning: Meaning) -> &mut Vec<String> {
        match meaning {
            Meaning::Solves => &mut self.solving_verdicts,
            Meaning::Costs => &mut self.costly_verdicts,
            Meaning::Free => &mut self.free_verdicts,
            Meaning::Pending => &mut self.pending_verdicts,
        }
    }

    /// What a verdict means; `None`: no setting names it.
    pub fn meaning(&self, verdict: &str) -> Option<Meaning> {
        let among = |list: &[String]| list.iter().any(|one| one == verdict);
        match () {
            () if among(&self.solving_verdicts) => Some(Meaning::Solves),
            () if among(&self.costly_verdicts) => Some(Meaning::Costs),
            () if among(&self.free_verdicts) => Some(Meaning::Free),
            () if among(&self.pending_verdicts) => Some(Meaning::Pending),
            () => None,
        }
    }

    /// The settings that were kept, by this version or by one that had fewer.
    pub fn kept(fields: Map<String, Value>) -> Result<Settings, String> {
        if VERDICTS.iter().all(|(name, _)| fields.contains_key(*name)) {
            return serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string());
        }
        Settings::default().changed(&fields)
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
    /// In the order of their submission; of the same time, in the order of their ids.
    pub fn submitted_before(&self, other: &Run) -> Ordering {
        self.time_ms.cmp(&other.time_ms).then_with(|| by_id(&self.submission, &other.submission))
    }
}

/// Whole numbers in their order, before all texts; texts by their letters and by the numbers in them: `s9` before `s10`.
pub fn by_id(one: &str, other: &str) -> Ordering {
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(number), Ok(another)) => number.cmp(&another).then_with(|| one.cmp(other)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => by_parts(one.as_bytes(), other.as_bytes()).then_with(|| one.cmp(other)),
    }
}

fn by_parts(mut one: &[u8], mut other: &[u8]) -> Ordering {
    loop {
        let order = match (one.first(), other.first()) {
            (Some(byte), Some(another)) if byte.is_ascii_digit() && another.is_ascii_digit() => {
                let (number, another) = (leading_number(&mut one), leading_number(&mut other));
                number.len().cmp(&another.len()).then_with(|| number.cmp(another))
            }
            (Some(byte), Some(another)) => {
                let order = byte.cmp(another);
                one = &one[1..];
                other = &other[1..];
                order
            }
            (byte, another) => return byte.cmp(&another),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Cuts the digits off with which a text begins; answers them without leading zeros.
fn leading_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    *text = rest;
    &digits[digits.iter().take_while(|&&digit| digit == b'0').count()..]
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
        let settings = settings.changed(json!({ "freeze_minute": null }).as_object().unwrap()).unwrap();
        assert_eq!((settings.freeze_minute, settings.teams), (None, vec!["a".to_string()]));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (fields, begins) in [
            (json!({"penalty_minutes": "20"}), "field `penalty_minutes`: invalid type"),
            (json!({"freeze_minute": -1}), "field `freeze_minute`: between"),
            (json!({"freeze": 240}), "unknown field `freeze`"),
            (json!({"problems": ["A", "B", "A"]}), "field `problems`: `A` is there twice"),
            (json!({"free_verdicts": ["accepted"]}), "field `free_verdicts`: `accepted` is what solves a problem"),
            (json!({"solving_verdicts": ["wrong_answer"]}), "field `solving_verdicts`: `wrong_answer` is a rejection"),
            (
                json!({"costly_verdicts": ["pending"]}),
                "field `costly_verdicts`: `pending` is a run without a judgement",
            ),
            (
                json!({"free_verdicts": ["X"], "costly_verdicts": ["X"]}),
                "field `free_verdicts`: `X` is among the `costly_verdicts`, too",
            ),
        ] {
            let text = changed(fields).unwrap_err();
            assert!(text.starts_with(begins), "{}", text);
        }
    }

    #[test]
    fn a_verdict_has_one_meaning_and_a_known_one_always_has() {
        let meaning = |fields, verdict: &str| changed(fields).unwrap().meaning(verdict);
        assert_eq!(meaning(json!({}), "CE"), Some(Meaning::Free));
        assert_eq!(meaning(json!({"free_verdicts": []}), "CE"), Some(Meaning::Costs));
        assert_eq!(meaning(json!({"free_verdicts": []}), "JE"), Some(Meaning::Pending));
        assert_eq!(meaning(json!({"costly_verdicts": ["CE"]}), "CE"), Some(Meaning::Costs));
        assert_eq!(meaning(json!({"costly_verdicts": ["CE"]}), "WA"), Some(Meaning::Costs));
        assert_eq!(meaning(json!({"solving_verdicts": ["PE", "OK"]}), "OK"), Some(Meaning::Solves));
        assert_eq!(meaning(json!({"solving_verdicts": ["PE", "OK"]}), "PE"), Some(Meaning::Solves));
        assert_eq!(meaning(json!({"solving_verdicts": ["PE", "OK"]}), "AC"), Some(Meaning::Solves));
        assert_eq!(meaning(json!({"free_verdicts": ["OK"]}), "KO"), None);
        let settings = changed(json!({"free_verdicts": ["OK", "WA"]})).unwrap();
        assert_eq!(settings.changed(&settings.fields()).unwrap(), settings);
    }

    #[test]
    fn ids_are_in_the_order_of_their_numbers() {
        let ordered =
            ["-10", "-3", "9", "10", "99", "100", "18446744073709551615", "a-2", "a-10", "s9", "s09", "s10", "s10a"];
        for (at, one) in ordered.iter().enumerate() {
            for (place, other) in ordered.iter().enumerate() {
                let expected = if (one, other) == (&"s9", &"s09") || (one, other) == (&"s09", &"s9") {
                    one.cmp(other)
                } else {
                    at.cmp(&place)
                };
                assert_eq!(by_id(one, other), expected, "{} {}", one, other);
            }
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
            verdict: verdicts::ACCEPTED.into(),
            revision: 0,
        };
        let at = |time_ms| (settings.minute(&run(time_ms)), settings.counts(&run(time_ms)));
        assert_eq!([at(999), at(1_000), at(60_999)], [(-1, false), (0, true), (0, true)]);
        assert_eq!([at(61_000), at(120_999), at(121_000)], [(1, true), (1, true), (2, false)]);
    }
}
