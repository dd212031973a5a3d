//! Takes over a contest of another system: first all of it is read, and only then anything is kept.
//!
//! - What is handed over again changes nothing; what it says otherwise takes the place of what was kept.
//! - Settings that it does not name, and runs of submissions that it does not name, stay.

use std::collections::BTreeMap;

use judicia_guest::Fail;
use serde::Serialize;

use crate::clics::{self, Package};
use crate::contest::{Run, Settings};
use crate::verdicts::{unknown, Meaning, PENDING};
use crate::{announce, store};

#[derive(Serialize)]
pub struct Imported {
    /// Runs that it was about.
    submissions: usize,
    /// Those of them that are not judged.
    pending: usize,
    /// Those that are kept otherwise now.
    changed: usize,
    announced: usize,
}

/// Keeps what a package says, and announces what is solved by it.
pub fn import(package: Package) -> Result<Imported, Fail> {
    let before = store::settings()?;
    let settings = before.changed(&package.settings().map_err(Fail::bad_request)?).map_err(Fail::bad_request)?;
    let kept = store::runs(None)?.into_iter().map(|run| (run.submission.clone(), run)).collect();
    let runs = runs(&package, &settings, &kept).map_err(Fail::bad_request)?;
    let is_pending = |run: &&Run| settings.meaning(&run.verdict) == Some(Meaning::Pending);
    let (submissions, pending) = (runs.len(), runs.iter().filter(is_pending).count());
    let changed: Vec<Run> = runs
        .into_iter()
        .filter(|run| kept.get(&run.submission) != Some(run))
        .map(|run| {
            let revision = kept.get(&run.submission).map_or(0, |kept| kept.revision + 1);
            Run { revision, ..run }
        })
        .collect();

    if settings != before {
        store::keep_settings(&settings)?;
    }
    store::replace(&changed)?;
    if package.state.map_or(false, |state| state.thawed.is_some()) {
        store::unfreeze("", "")?;
    }
    Ok(Imported { submissions, pending, changed: changed.len(), announced: announce::announce(None)? })
}

/// The runs that the package is about, as they are to be kept; one that is kept like this already has its revision.
fn runs(package: &Package, settings: &Settings, kept: &BTreeMap<String, Run>) -> Result<Vec<Run>, String> {
    let judgements = package.judgements.as_deref().unwrap_or(&[]);
    check_verdicts(package, settings)?;
    let verdicts = clics::verdicts(judgements)?;
    let mut runs: BTreeMap<&str, Run> = BTreeMap::new();
    for submission in package.submissions.iter().flatten() {
        let id = submission.id.0.as_str();
        let (verdict, revision) = kept.get(id).map_or((PENDING, 0), |run| (run.verdict.as_str(), run.revision));
        let run = Run {
            submission: id.into(),
            team: submission.team_id.0.clone(),
            problem: submission.problem_id.0.clone(),
            time_ms: settings.start_ms.saturating_add(package.contest_time(submission)?),
            verdict: verdict.into(),
            revision,
        };
        runs.insert(id, run);
    }
    for (submission, verdict) in verdicts {
        if !runs.contains_key(submission) {
            let run = kept.get(submission).ok_or_else(|| {
                format!(
                    "field `judgements`: submission `{}` is not known; hand `submissions` over with them",
                    submission
                )
            })?;
            runs.insert(submission, run.clone());
        }
        if let Some(run) = runs.get_mut(submission) {
            run.verdict = verdict.unwrap_or(PENDING).into();
        }
    }
    Ok(runs.into_values().collect())
}

fn check_verdicts(package: &Package, settings: &Settings) -> Result<(), String> {
    let types = package.judgement_types.as_ref();
    for judgement in package.judgements.iter().flatten() {
        if let Some(verdict) = judgement.judgement_type_id.as_ref().map(|id| id.0.as_str()) {
            let whose = format!("judgement `{}`", judgement.id.0);
            if types.map_or(false, |types| types.iter().all(|one| one.id() != verdict)) {
                return Err(format!("{}: `{}` is not among the `judgement_types`", whose, verdict));
            }
            if settings.meaning(verdict).is_none() {
                return Err(unknown(&whose, verdict));
            }
        }
    }
    Ok(())
}
