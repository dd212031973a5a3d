//! What a browser gets: the board as a page, and the same as JSON. Nothing here changes anything, and nobody sees more
//! than the public does.

use judicia_guest::Fail;
use serde::Serialize;

use crate::contest::Settings;
use crate::standings::{Standings, View};
use crate::{board, page};

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What is asked for.
pub struct Asked<'a> {
    pub method: &'a str,
    /// As the browser names it, with the plugin's own prefix.
    pub path: &'a str,
    pub query: Vec<(&'a str, &'a str)>,
    /// The header `accept`; empty: everything.
    pub accept: &'a str,
}

/// What is answered.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    fn new(status: u16, kind: &str, body: String) -> Self {
        Answer { status, headers: vec![("content-type", kind.into())], body }
    }

    /// A sentence for whoever asked in vain.
    fn refusal(status: u16, sentence: &str) -> Self {
        Answer::new(status, TEXT, format!("{}\n", sentence))
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[derive(Serialize)]
struct Board<'a> {
    contest: &'a str,
    #[serde(flatten)]
    standings: &'a Standings,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Page,
    Json,
}

/// Answers a request; the board is looked up only where it is wanted.
///
/// # Errors
/// What stood against reading the tables, unless it was a missing capability: that is an answer too.
pub fn answer(asked: &Asked) -> Result<Answer, Fail> {
    let form = match refused(asked) {
        Ok(form) => form,
        Err(refusal) => return Ok(refusal),
    };
    let (settings, standings) = match board(View::Public) {
        Err(fail) if fail.code == "capability_denied" => {
            return Ok(Answer::refusal(503, "The scoreboard may not read its tables at present."));
        }
        found => found?,
    };
    if let Some((_, contest)) = asked.query.first() {
        if *contest != settings.contest {
            return Ok(Answer::refusal(404, "This scoreboard keeps another contest."));
        }
    }
    let mut answer = match form {
        Form::Page => Answer::new(200, HTML, page::document(&settings, &standings)),
        Form::Json => Answer::new(200, JSON, json(&settings, &standings)?),
    };
    if asked.method == "HEAD" {
        answer.body.clear();
    }
    Ok(answer.with("cache-control", "no-store").with("vary", "accept"))
}

/// The form in which the board is wanted, or why there is nothing to look up.
fn refused(asked: &Asked) -> Result<Form, Answer> {
    let page = asked.path.rsplit('/').next().unwrap_or("");
    let depth = asked.path.matches('/').count();
    let form = match (depth, page) {
        (2, "") if prefers_json(asked.accept) => Form::Json,
        (2, "") => Form::Page,
        (2, "standings.json") => Form::Json,
        // Without the slash at its end, what the page links to would lie beside it.
        (1, name) if !name.is_empty() => {
            return Err(Answer::refusal(308, "The board is one slash further.").with("location", &format!("{}/", name)));
        }
        _ => return Err(Answer::refusal(404, "Here are the board, `/`, and its data, `/standings.json`.")),
    };
    if asked.method != "GET" && asked.method != "HEAD" {
        return Err(Answer::refusal(405, "The board can only be read.").with("allow", "GET, HEAD"));
    }
    match asked.query.as_slice() {
        [] | [("contest", _)] => Ok(form),
        _ => Err(Answer::refusal(400, "The only question to ask is `contest`, once.")),
    }
}

/// Whether JSON is asked for, and a page is not.
fn prefers_json(accept: &str) -> bool {
    let accept = accept.to_ascii_lowercase();
    let names = |kind: &str| accept.split(',').any(|one| one.split(';').next().unwrap_or("").trim() == kind);
    names(JSON) && !names("text/html")
}

fn json(settings: &Settings, standings: &Standings) -> Result<String, Fail> {
    serde_json::to_string(&Board { contest: &settings.contest, standings })
        .map_err(|error| Fail::new("failed", format!("the board: {}", error)))
}
