//! What verdicts mean, by name: our own, and those that the CLICS Contest API lists.

/// What a verdict does to a team's problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Solves,
    /// Costs a penalty if the problem is solved later.
    Costs,
    /// Counts for nothing.
    Free,
    /// Says that the run is not judged yet; its judgement may still solve the problem.
    Pending,
}

/// What a run without a judgement is kept with.
pub const PENDING: &str = "pending";
pub const ACCEPTED: &str = "accepted";

pub const SOLVING: [&str; 3] = [ACCEPTED, "AC", "APE"];
pub const FREE: [&str; 5] = ["compile_error", "submission_error", "CE", "CTL", "SE"];
// The requirements of the World Finals: a run whose judgement is a judging error is pending.
pub const UNJUDGED: [&str; 7] = [PENDING, "judging", "queued", "JE", "judging_error", "CS", "contact_staff"];
/// Ours, then those of CLICS.
#[rustfmt::skip]
pub const COSTLY: [&str; 41] = [
    "wrong_answer", "time_limit", "run_time_error", "memory_limit", "output_limit", "time_limit_exceeded",
    "runtime_error", "memory_limit_exceeded", "output_limit_exceeded", "idleness_limit_exceeded",
    "wallclock_time_limit_exceeded", "security_violation", "illegal_function", "rejected", "presentation_error",
    "WA", "TLE", "RTE", "MLE", "OLE", "RE", "PE", "EO", "IO", "NO", "WTL", "ILE", "TCO", "TWA", "TPE", "TEO", "TIO", "TNO",
    "SV", "IF", "RCO", "RWA", "RPE", "REO", "RIO", "RNO",
];
/// As many names of `COSTLY` and of `FREE` are rejections whatever the settings say.
const REJECTIONS: (usize, usize) = (14, 2);

/// All verdicts that have a meaning by default.
pub fn known() -> impl Iterator<Item = &'static str> {
    SOLVING.iter().chain(&COSTLY).chain(&FREE).chain(&UNJUDGED).copied()
}

/// What a verdict means unless a setting says otherwise.
pub fn by_default(verdict: &str) -> Option<Meaning> {
    let among = |names: &[&str]| names.contains(&verdict);
    match () {
        () if among(&COSTLY) => Some(Meaning::Costs),
        () if among(&SOLVING) => Some(Meaning::Solves),
        () if among(&FREE) => Some(Meaning::Free),
        () if among(&UNJUDGED) => Some(Meaning::Pending),
        () => None,
    }
}

/// Where a verdict goes that no setting names any more: what was free and is not costs.
pub fn home(verdict: &str) -> Option<Meaning> {
    match by_default(verdict) {
        Some(Meaning::Free) => Some(Meaning::Costs),
        other => other,
    }
}

/// Whether no setting makes this verdict solve: so a run with it announces nothing, and costs one host call.
pub fn never_solves(verdict: &str) -> bool {
    COSTLY[..REJECTIONS.0].contains(&verdict) || FREE[..REJECTIONS.1].contains(&verdict)
}

/// Why a setting may not give a verdict this meaning; `None`: it may.
pub fn objection(verdict: &str, meaning: Meaning) -> Option<&'static str> {
    match meaning {
        Meaning::Solves if never_solves(verdict) => Some("is a rejection"),
        Meaning::Solves | Meaning::Costs | Meaning::Free if verdict == PENDING => Some("is a run without a judgement"),
        Meaning::Costs | Meaning::Free | Meaning::Pending if verdict == ACCEPTED => Some("is what solves a problem"),
        _ => None,
    }
}

/// The refusal of a verdict that has no meaning.
pub fn unknown(whose: &str, verdict: &str) -> String {
    format!(
        "{}: no setting names the verdict `{}`. Add it to what `configure` says of `solving_verdicts`, `costly_verdicts`, \
         `free_verdicts` or `pending_verdicts`, such as {{\"costly_verdicts\": [\"{}\"]}}",
        whose, verdict, verdict
    )
}
