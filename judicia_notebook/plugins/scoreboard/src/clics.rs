//! A contest as the CLICS Contest API (2023-06, and what came before and after) describes it: the objects of its
//! endpoints, and what they say in the scoreboard's own terms. Properties that do not matter to a scoreboard are left be.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{json, Map, Value};

use crate::contest::{by_id, MS_PER_MINUTE};
use crate::times;
use crate::verdicts::{by_default, Meaning};
use crate::Name;

/// What is handed over: each endpoint as it is, or as the file of a contest package has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `contest`, `problems`, `teams` and other endpoints")]
pub struct Package {
    pub contest: Option<Contest>,
    #[serde(alias = "judgement-types")]
    pub judgement_types: Option<Vec<JudgementType>>,
    pub problems: Option<Vec<Problem>>,
    pub groups: Option<Vec<Group>>,
    pub teams: Option<Vec<Team>>,
    pub state: Option<State>,
    pub submissions: Option<Vec<Submission>>,
    pub judgements: Option<Vec<Judgement>>,
}

#[derive(Deserialize)]
pub struct Contest {
    name: Option<String>,
    formal_name: Option<String>,
    start_time: Option<String>,
    duration: Option<String>,
    scoreboard_freeze_duration: Option<String>,
    scoreboard_type: Option<String>,
    penalty_time: Option<Value>,
}

#[derive(Deserialize)]
pub struct JudgementType {
    id: Name,
    solved: Option<bool>,
    penalty: Option<bool>,
}

#[derive(Deserialize)]
pub struct Problem {
    id: Name,
    label: Option<String>,
    ordinal: Option<f64>,
}

#[derive(Deserialize)]
pub struct Group {
    id: Name,
    hidden: Option<bool>,
}

#[derive(Deserialize)]
pub struct Team {
    id: Name,
    name: Option<String>,
    display_name: Option<String>,
    group_ids: Option<Vec<Name>>,
    hidden: Option<bool>,
}

#[derive(Deserialize)]
pub struct State {
    pub thawed: Option<String>,
}

#[derive(Deserialize)]
pub struct Submission {
    pub id: Name,
    pub team_id: Name,
    pub problem_id: Name,
    contest_time: Option<String>,
    time: Option<String>,
}

#[derive(Deserialize)]
pub struct Judgement {
    pub id: Name,
    pub submission_id: Name,
    pub judgement_type_id: Option<Name>,
    start_contest_time: Option<String>,
    start_time: Option<String>,
    current: Option<bool>,
    valid: Option<bool>,
}

impl Package {
    /// What it says of the settings.
    pub fn settings(&self) -> Result<Map<String, Value>, String> {
        let mut fields = Map::new();
        if let Some(contest) = &self.contest {
            contest.add_to(&mut fields)?;
        }
        if let Some(types) = &self.judgement_types {
            add_verdicts(types, &mut fields);
        }
        if let Some(problems) = &self.problems {
            add_problems(problems, &mut fields);
        }
        match (&self.teams, &self.groups) {
            (Some(teams), groups) => add_teams(teams, groups.as_deref().unwrap_or(&[]), &mut fields)?,
            (None, Some(groups)) if groups.iter().any(|group| group.hidden == Some(true)) => {
                return Err("field `groups`: hand `teams` over with them: they say who is in a hidden group".into());
            }
            _ => {}
        }
        Ok(fields)
    }

    /// When a submission was made, in milliseconds since the contest began.
    pub fn contest_time(&self, submission: &Submission) -> Result<i64, String> {
        let whose = || format!("submission `{}`", submission.id.0);
        if let Some(text) = &submission.contest_time {
            return times::relative(text).ok_or_else(|| no_time(&whose(), "contest_time", text, "h:mm:ss.uuu"));
        }
        let text = submission.time.as_ref().ok_or_else(|| format!("{}: missing field `contest_time`", whose()))?;
        let time =
            times::absolute(text).ok_or_else(|| no_time(&whose(), "time", text, "yyyy-mm-ddThh:mm:ss.uuu+hh:mm"))?;
        match self.contest.as_ref().and_then(|contest| contest.start_time.as_ref()) {
            Some(text) => Ok(time - start(text)?),
            None => Err(format!("{}: `time` says nothing without the `start_time` of a `contest`", whose())),
        }
    }
}

fn start(text: &str) -> Result<i64, String> {
    times::absolute(text).ok_or_else(|| no_time("field `contest`", "start_time", text, "yyyy-mm-ddThh:mm:ss.uuu+hh:mm"))
}

fn no_time(whose: &str, field: &str, text: &str, form: &str) -> String {
    format!("{}: `{}` is `{}`, which is no time of the form `{}`", whose, field, text, form)
}

impl Contest {
    fn add_to(&self, fields: &mut Map<String, Value>) -> Result<(), String> {
        if let Some(other) = self.scoreboard_type.as_ref().filter(|kind| *kind != "pass-fail") {
            return Err(format!("field `contest`: `scoreboard_type` is `{}`; this scoreboard does `pass-fail`", other));
        }
        if let Some(name) = self.formal_name.as_ref().or(self.name.as_ref()) {
            fields.insert("contest".into(), json!(name));
        }
        let minutes = |field, text: &Option<String>| text.as_ref().map(|text| minutes(field, text)).transpose();
        let duration = minutes("duration", &self.duration)?;
        let frozen =
            minutes("scoreboard_freeze_duration", &self.scoreboard_freeze_duration)?.filter(|frozen| *frozen > 0);
        match (duration, frozen) {
            (None, Some(_)) => {
                return Err("field `contest`: `scoreboard_freeze_duration` says nothing without `duration`".into());
            }
            (Some(duration), Some(frozen)) => fields.insert("freeze_minute".into(), json!((duration - frozen).max(0))),
            (_, None) => fields.insert("freeze_minute".into(), Value::Null),
        };
        if let Some(duration) = duration {
            fields.insert("duration_minutes".into(), json!(duration));
        }
        match &self.penalty_time {
            None => {}
            Some(Value::String(text)) => {
                fields.insert("penalty_minutes".into(), json!(minutes("penalty_time", &Some(text.clone()))?));
            }
            Some(number) if number.is_u64() => {
                fields.insert("penalty_minutes".into(), number.clone());
            }
            Some(other) => {
                return Err(format!("field `contest`: `penalty_time` is {}, which is no number of minutes", other))
            }
        }
        Ok(())
    }
}

fn minutes(field: &str, text: &str) -> Result<i64, String> {
    let time = times::relative(text).ok_or_else(|| no_time("field `contest`", field, text, "h:mm:ss.uuu"))?;
    if time < 0 || time % MS_PER_MINUTE != 0 {
        return Err(format!("field `contest`: `{}` is `{}`; this scoreboard counts in whole minutes", field, text));
    }
    Ok(time / MS_PER_MINUTE)
}

/// `solved` and `penalty` decide; where they are missing, the name does.
fn add_verdicts(types: &[JudgementType], fields: &mut Map<String, Value>) {
    let mut lists: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for JudgementType { id, solved, penalty } in types {
        let by_name = by_default(&id.0);
        let solves = solved.or_else(|| by_name.map(|meaning| meaning == Meaning::Solves));
        let costs = penalty.or_else(|| by_name.map(|meaning| meaning == Meaning::Costs));
        let list = match (solves, costs) {
            _ if penalty.is_none() && by_name == Some(Meaning::Pending) => continue,
            (Some(true), _) => "solving_verdicts",
            (Some(false), Some(true)) => "costly_verdicts",
            (Some(false), Some(false)) => "free_verdicts",
            // Neither says what it is: a judgement that names it is refused.
            _ => continue,
        };
        lists.entry(list).or_default().push(&id.0);
    }
    fields.extend(lists.into_iter().map(|(list, verdicts)| (list.to_string(), json!(verdicts))));
}

fn add_problems(problems: &[Problem], fields: &mut Map<String, Value>) {
    let mut ordered: Vec<&Problem> = problems.iter().collect();
    let key = |problem: &Problem| problem.ordinal.unwrap_or(f64::MAX);
    ordered.sort_by(|one, other| key(one).total_cmp(&key(other)));
    let ids: Vec<&str> = ordered.iter().map(|problem| problem.id.0.as_str()).collect();
    let label = |problem: &Problem| Some((problem.id.0.clone(), json!(problem.label.as_ref()?)));
    let labels: Map<String, Value> = problems.iter().filter_map(label).collect();
    fields.insert("problems".into(), json!(ids));
    fields.insert("labels".into(), Value::Object(labels));
}

/// Who is on the board: hidden teams are not, nor those of a hidden group.
fn add_teams(teams: &[Team], groups: &[Group], fields: &mut Map<String, Value>) -> Result<(), String> {
    let hidden: BTreeSet<&str> =
        groups.iter().filter(|group| group.hidden == Some(true)).map(|group| group.id.0.as_str()).collect();
    let is_shown = |team: &&Team| {
        let in_hidden_group = team.group_ids.iter().flatten().any(|group| hidden.contains(group.0.as_str()));
        team.hidden != Some(true) && !in_hidden_group
    };
    let shown: Vec<&Team> = teams.iter().filter(is_shown).collect();
    if shown.is_empty() {
        return Err(format!("field `teams`: none of {} teams is to be on the board", teams.len()));
    }
    let ids: Vec<&str> = shown.iter().map(|team| team.id.0.as_str()).collect();
    let name = |team: &&Team| {
        let name = team.display_name.as_ref().or(team.name.as_ref())?;
        Some((team.id.0.clone(), json!(name)))
    };
    let names: Map<String, Value> = shown.iter().filter_map(name).collect();
    fields.insert("teams".into(), json!(ids));
    fields.insert("names".into(), Value::Object(names));
    Ok(())
}

/// The verdict of each submission that judgements are about; `None`: none of them is finished.
///
/// - Of entries with the same id the last one counts: a judgement is handed over again once it is finished.
/// - A judgement that is not `current`, or not `valid`, does not count; of the others, the finished one that began last.
pub fn verdicts(judgements: &[Judgement]) -> Result<BTreeMap<&str, Option<&str>>, String> {
    let latest: BTreeMap<&str, &Judgement> = judgements.iter().map(|one| (one.id.0.as_str(), one)).collect();
    let mut begun = latest.into_values().map(|one| Ok((began(one)?, one))).collect::<Result<Vec<_>, String>>()?;
    begun.sort_by(|(at, one), (later, other)| at.cmp(later).then_with(|| by_id(&one.id.0, &other.id.0)));
    let mut verdicts = BTreeMap::new();
    for (_, judgement) in begun {
        let verdict = verdicts.entry(judgement.submission_id.0.as_str()).or_insert(None);
        if judgement.current != Some(false) && judgement.valid != Some(false) {
            *verdict = judgement.judgement_type_id.as_ref().map(|id| id.0.as_str()).or(*verdict);
        }
    }
    Ok(verdicts)
}

fn began(judgement: &Judgement) -> Result<Option<i64>, String> {
    let whose = || format!("judgement `{}`", judgement.id.0);
    match (&judgement.start_contest_time, &judgement.start_time) {
        (Some(text), _) => {
            times::relative(text).map(Some).ok_or_else(|| no_time(&whose(), "start_contest_time", text, "h:mm:ss.uuu"))
        }
        (None, Some(text)) => times::absolute(text)
            .map(Some)
            .ok_or_else(|| no_time(&whose(), "start_time", text, "yyyy-mm-ddThh:mm:ss.uuu+hh:mm")),
        (None, None) => Ok(None),
    }
}

impl JudgementType {
    pub fn id(&self) -> &str {
        &self.id.0
    }
}
