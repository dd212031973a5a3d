//! What a browser gets: the board as a page, and the same as JSON. Nothing here changes anything, and nobody sees more
//! than the public does.

use judicia_guest::routes::{Request, Response};
use judicia_guest::Fail;
use serde::Serialize;

use crate::standings::{Standings, View};
use crate::{board, page};

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// A sentence for whoever asked in vain.
fn refusal(status: u16, sentence: &str) -> Response {
    Response::text(status, format!("{}\n", sentence))
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

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Form::Page => HTML,
            Form::Json => JSON,
        }
    }
}

/// Answers a request; the board is looked up only where it is wanted.
///
/// # Errors
/// What stood against reading the tables, unless it was a missing capability: that is an answer too.
pub fn answer(asked: &Request) -> Result<Response, Fail> {
    let form = match refused(asked) {
        Ok(form) => form,
        Err(refusal) => return Ok(refusal),
    };
    let (settings, standings) = match board(View::Public) {
        Err(fail) if fail.code == "capability_denied" => {
            return Ok(refusal(503, "The scoreboard may not read its tables at present."));
        }
        found => found?,
    };
    if let Some(contest) = asked.query.get("contest") {
        if *contest != settings.contest {
            return Ok(refusal(404, "This scoreboard keeps another contest."));
        }
    }
    let answer = match form {
        _ if asked.method == "HEAD" => Response::new(200, form.content_type(), ""),
        Form::Page => Response::html(page::document(&settings, &standings)),
        Form::Json => Response::json(&Board { contest: &settings.contest, standings: &standings })?,
    };
    Ok(answer.header("cache-control", "no-store").header("vary", "accept"))
}

/// The form in which the board is wanted, or why there is nothing to look up.
fn refused(asked: &Request) -> Result<Form, Response> {
    let page = asked.path.rsplit('/').next().unwrap_or("");
    let depth = asked.path.matches('/').count();
    let form = match (depth, page) {
        (2, "") if prefers_json(asked.header("accept")) => Form::Json,
        (2, "") => Form::Page,
        (2, "standings.json") => Form::Json,
        // Without the slash at its end, what the page links to would lie beside it.
        (1, name) if !name.is_empty() => {
            return Err(refusal(308, "The board is one slash further.").header("location", &format!("{}/", name)));
        }
        _ => return Err(refusal(404, "Here are the board, `/`, and its data, `/standings.json`.")),
    };
    if asked.method != "GET" && asked.method != "HEAD" {
        return Err(refusal(405, "The board can only be read.").header("allow", "GET, HEAD"));
    }
    if asked.query.keys().any(|name| name != "contest") {
        return Err(refusal(400, "The only question to ask is `contest`, once."));
    }
    Ok(form)
}

/// Whether JSON is asked for, and a page is not.
fn prefers_json(accept: &str) -> bool {
    let accept = accept.to_ascii_lowercase();
    let names = |kind: &str| accept.split(',').any(|one| one.split(';').next().unwrap_or("").trim() == kind);
    names(JSON) && !names("text/html")
}
