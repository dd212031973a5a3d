"""A page that a plugin serves, in the browser of somebody who is logged in to Jupyter on the same host.

Cookies do not care about ports, so the browser brings Jupyter's along. The same page is tried without the fence, too:
there it gets what it wants, so these tests would see it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.http import Server
from tests.browser.pages import accessibility_faults
from tests.plugins.icpc import Run, feed
from tests.support.answering import load
from tests.support.servers import Server as PlainServer
from tests.support.servers import reply

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page, Response

    from tests.browser.conftest import Desk, OpenNotebook
    from tests.browser.lab import Lab

HTML = {"content-type": "text/html; charset=utf-8"}
BOARD_GRANTS = [
    "read_database",
    "write_database",
    "subscribe_events=submission.judged",
    "emit_event",
    "register_routes",
]
VERDICTS = ["accepted", "wrong_answer", "accepted", "compile_error"]
LOGIN = "username-127-0-0-1"

# Tries each way out of a page and writes down what came of it; `goals` are addresses that it may not reach.
ATTACK = """<!doctype html><title>trying</title><body><script>
const goals = GOALS, said = {};
const within = (work) => Promise.race([work, new Promise((done) => setTimeout(() => done("nothing"), 3000))]);
const attempt = async (name, work) => {
  try { said[name] = String(await within(work())); } catch (error) { said[name] = "refused: " + error.name; }
};
const loaded = (tag, more) => new Promise((done, fail) => {
  const one = Object.assign(document.createElement(tag), more);
  one.onload = () => done("loaded");
  one.onerror = () => fail(new Error("blocked"));
  document.body.append(one);
});
(async () => {
  await attempt("cookie", async () => document.cookie);
  await attempt("set cookie", async () => { document.cookie = "planted=1"; return document.cookie; });
  await attempt("local storage", async () => localStorage.length);
  await attempt("session storage", async () => sessionStorage.length);
  await attempt("database", async () => indexedDB.open("x"));
  await attempt("caches", async () => (await caches.keys()).length);
  await attempt("service worker", async () => navigator.serviceWorker.register("/site/worker.js"));
  await attempt("origin", async () => self.origin);
  await attempt("domain", async () => { document.domain = "127.0.0.1"; });
  await attempt("opener", async () => window.opener && window.opener.document.title);
  await attempt("parent", async () => window.parent !== window && window.parent.document.title);
  await attempt("referrer", async () => document.referrer);
  for (const goal of goals) {
    const all = { credentials: "include" };
    await attempt("fetch " + goal, async () => (await fetch(goal, all)).text());
    await attempt("blind fetch " + goal, async () => (await fetch(goal, { ...all, mode: "no-cors" })).type);
    await attempt("post " + goal, async () => (
      await fetch(goal, { ...all, mode: "no-cors", method: "POST", body: "{}" })).type);
    await attempt("xhr " + goal, () => new Promise((done, fail) => {
      const one = new XMLHttpRequest();
      one.onload = () => done(one.responseText);
      one.onerror = () => fail(new Error("blocked"));
      one.open("GET", goal);
      one.withCredentials = true;
      one.send();
    }));
    await attempt("beacon " + goal, async () => navigator.sendBeacon(goal, "{}"));
    await attempt("socket " + goal, () => new Promise((done, fail) => {
      const one = new WebSocket(goal.replace("http", "ws"));
      one.onopen = () => done("open");
      one.onerror = () => fail(new Error("blocked"));
    }));
    await attempt("events " + goal, () => new Promise((done, fail) => {
      const one = new EventSource(goal, { withCredentials: true });
      one.onopen = () => done("open");
      one.onerror = () => { one.close(); fail(new Error("blocked")); };
    }));
    await attempt("image " + goal, () => loaded("img", { src: goal }));
    await attempt("script " + goal, () => loaded("script", { src: goal }));
    await attempt("style " + goal, () => loaded("link", { rel: "stylesheet", href: goal }));
    await attempt("prefetch " + goal, () => loaded("link", { rel: "prefetch", href: goal }));
    await attempt("object " + goal, () => loaded("object", { data: goal }));
    await attempt("module " + goal, () => import(goal));
    await attempt("worker " + goal, async () => new Worker(goal));
    await attempt("frame " + goal, async () => {
      const one = document.createElement("iframe");
      document.body.append(one);
      one.src = goal;
      await new Promise((done) => { one.onload = done; setTimeout(done, 1000); });
      return one.contentDocument === null ? "foreign" : one.contentDocument.URL;
    });
    await attempt("frame's form " + goal, async () => {
      const one = document.createElement("iframe");
      one.name = "target";
      document.body.append(one);
      const form = Object.assign(document.createElement("form"), { action: goal, method: "POST", target: "target" });
      document.body.append(form);
      form.submit();
      await new Promise((done) => setTimeout(done, 500));
      one.remove();
    });
    await attempt("window " + goal, async () => { const one = window.open(goal); one.close(); });
  }
  document.title = "tried";
})();
</script>"""


@pytest.fixture
def server(rt: jn.Runtime) -> Iterator[Server]:
    with rt.host.http.serve() as server:
        yield server


@pytest.fixture
def canary() -> Iterator[PlainServer]:
    """Somebody else's server on this host, whom nobody is to ask anything."""
    with PlainServer(reply(b"canary", content_type="text/plain")) as one:
        yield one


class Visit:
    """A tab in the browser that is logged in, and what came back to it from where."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.answers: list[str] = []
        page.on("response", lambda response: self.answers.append(response.url))

    async def said(self) -> dict[str, str]:
        """What the page wrote down, once it has tried everything."""
        await self.page.wait_for_function("() => document.title === 'tried'", timeout=120_000)
        found: dict[str, str] = await self.page.evaluate("() => said")
        return found


async def tab(desk: Desk) -> Visit:
    await desk.window()  # which logs in
    return Visit(await desk.loop.context.new_page())


async def visit(one: Visit, url: str) -> Response:
    response = await one.page.goto(url)
    assert response is not None
    return response


def attack(lab: Lab, canary: PlainServer) -> str:
    return ATTACK.replace("GOALS", json.dumps([f"{lab.url}api/contents", f"{canary.origin}/canary"]))


def page_of(rt: jn.Runtime, html: str, name: str = "site", **options: Any) -> jn.Plugin:
    return load(rt, name, answer={"status": 200, "headers": HTML, "body": html}, **options)


async def test_the_browser_brings_jupyters_cookie_and_the_plugin_does_not_get_it(
    rt: jn.Runtime, server: Server, desk: Desk
) -> None:
    p = page_of(rt, "<!doctype html><title>hello</title>")
    one = await tab(desk)
    response = await visit(one, f"{server.url}site/")
    assert LOGIN in (await response.request.all_headers())["cookie"]
    told = p.call("asked")
    assert LOGIN not in str(told)
    assert set(told["headers"]) <= {"accept", "accept-language", "user-agent"}
    assert await one.page.title() == "hello"
    await one.page.close()


async def test_nothing_that_a_page_tries_gets_jupyters_cookie_or_reaches_its_api(
    rt: jn.Runtime, server: Server, desk: Desk, lab: Lab, canary: PlainServer
) -> None:
    page_of(rt, attack(lab, canary))
    one = await tab(desk)
    before = len(desk.loop.context.pages)
    await visit(one, f"{server.url}site/")
    said = await one.said()
    unexpected = {
        what: came
        for what, came in said.items()
        if not came.startswith("refused")
        and came not in ("nothing", "null", "false", "", "undefined", "foreign")
        and came != "about:blank"  # of a frame to which its address had not come yet
        and not (what.startswith("beacon") and came == "true")  # it is told that of a request that is never made
    }
    assert unexpected == {}
    assert said["cookie"] == said["set cookie"] == said["local storage"] == "refused: SecurityError"
    assert said["origin"] == "null"
    assert canary.requests == []
    assert [url for url in one.answers if not url.startswith(server.url)] == []
    assert {cookie["name"] for cookie in await desk.loop.context.cookies()}.isdisjoint({"planted"})
    assert len(desk.loop.context.pages) == before  # no window was opened
    await one.page.close()


async def test_without_the_fence_the_same_page_gets_both(desk: Desk, lab: Lab, canary: PlainServer) -> None:
    html = attack(lab, canary).encode()
    with PlainServer(reply(html, content_type="text/html; charset=utf-8")) as plain:
        one = await tab(desk)
        before = len(desk.loop.context.pages)
        await visit(one, f"{plain.origin}/site/")
        said = await one.said()
    assert "_xsrf" in said["cookie"]
    assert any(LOGIN.encode() in request for request in canary.requests)
    assert len(canary.requests) > 5
    assert any(url.startswith(lab.url) for url in one.answers)
    await desk.loop.context.clear_cookies(name="planted")
    for page in desk.loop.context.pages[before:]:
        await page.close()
    await one.page.close()


async def test_a_page_loads_what_lies_beside_it_and_nothing_of_others(
    rt: jn.Runtime, server: Server, desk: Desk
) -> None:
    def style(rule: str) -> dict[str, Any]:
        return {"status": 200, "headers": {"content-type": "text/css"}, "body": rule}

    load(rt, "own", ["/site/own.css"], grant=["register_routes=/site"], answer=style("p {color: rgb(1, 2, 3)}"))
    other = load(rt, "other", answer=style("p {background-color: rgb(4, 5, 6)}"))
    links = "".join(f'<link rel="stylesheet" href="{href}">' for href in ("own.css", "/other/x.css"))
    html = f"<!doctype html><title>hello</title>{links}<p style='margin: 7px'>text<script>document.title='ran'</script>"
    page_of(rt, html, routes=["/site/"])
    one = await tab(desk)
    await visit(one, f"{server.url}site/")
    styles = await one.page.evaluate(
        "() => { const s = getComputedStyle(document.querySelector('p'));"
        " return [s.color, s.backgroundColor, s.marginTop]; }"
    )
    assert styles == ["rgb(1, 2, 3)", "rgba(0, 0, 0, 0)", "7px"]
    assert await one.page.title() == "ran"
    assert "on_http_request" not in set(other.calls["function"])
    await one.page.close()


VISITOR = """<!doctype html><title>trying</title><body><script>
const goal = GOAL, said = {};
const attempt = async (name, work) => {
  try { said[name] = String(await work()); } catch (error) { said[name] = "refused"; }
};
(async () => {
  await attempt("read", async () => (await fetch(goal)).text());
  for (const method of ["POST", "PUT", "DELETE"]) {
    await attempt(method, async () => (await fetch(goal, { method, body: "x" })).text());
  }
  await attempt("blind", async () => (await fetch(goal, { method: "POST", mode: "no-cors", body: "x" })).type);
  await attempt("beacon", async () => navigator.sendBeacon(goal, "x"));
  const frame = document.createElement("iframe");
  document.body.append(frame);
  const came = new Promise((done) => { frame.onload = done; });
  frame.src = goal;
  await came;
  await attempt("frame", async () => frame.contentWindow.document.title);
  document.title = "tried";
})();
</script>"""


@pytest.mark.parametrize("where", ["127.0.0.1", "localhost"])
async def test_no_other_page_reads_or_changes_what_a_plugin_serves(
    rt: jn.Runtime, server: Server, desk: Desk, where: str
) -> None:
    p = page_of(rt, "<!doctype html><title>inside</title>")
    html = VISITOR.replace("GOAL", json.dumps(f"{server.url}site/")).encode()
    with PlainServer(reply(html, content_type="text/html; charset=utf-8")) as plain:
        one = await tab(desk)
        await visit(one, f"http://{where}:{plain.port}/")
        said = await one.said()
        frames = [await frame.title() for frame in one.page.frames]
        await one.page.close()
    assert {said[name] for name in ("read", "POST", "PUT", "DELETE", "frame")} == {"refused"}
    assert "inside" not in frames
    assert p.call("asked")["method"] == "GET"
    assert set(server.statuses) == {200, 403}


SERVE = """
import judicia_notebook as jn
from tests.support.answering import load
from tests.browser.pages import accessibility_faults
from tests.plugins.icpc import Run, feed
rt = jn.get_runtime()
p = load(rt, answer={"status": 200, "headers": {"content-type": "text/html"}, "body": HTML})
rt.host.http.serve()
"""
ASK_BACK = """<!doctype html><title>trying</title><script>
const said = {};
for (const [name, look] of Object.entries({
  opener: () => window.opener, referrer: () => document.referrer, cookie: () => document.cookie,
  parent: () => window.parent === window, name: () => window.name,
})) { try { said[name] = String(look()); } catch (error) { said[name] = error.name; } }
document.title = "tried";
</script>"""


async def test_the_link_in_a_notebook_opens_a_page_that_knows_nothing_of_it(open_notebook: OpenNotebook) -> None:
    book = await open_notebook(SERVE.replace("HTML", repr(ASK_BACK)), "rt.close()")
    await book.run(0)
    link = book.cell(0).locator("a[target='_blank']")
    async with book.page.context.expect_page() as opened:
        await link.click()
    one = Visit(await opened.value)
    said = await one.said()
    assert said == {"opener": "null", "referrer": "", "cookie": "SecurityError", "parent": "true", "name": ""}
    told = (await book.witness()).value("p.call('asked')")
    assert LOGIN not in str(told)
    assert str(told["path"]) == "/site/"
    await one.page.close()
    await book.run(1)


async def test_everybody_can_read_the_scoreboard(rt: jn.Runtime, server: Server, desk: Desk, tmp_path: Path) -> None:
    board = rt.load("example:scoreboard", grant=BOARD_GRANTS)
    feed(rt, [Run(str(n), f"team-{n % 5}", "ABC"[n % 3], 10 * n, VERDICTS[n % 4]) for n in range(24)])
    board.call("configure", {"contest": "Spring", "freeze_minute": 180, "names": {"team-0": "Lund <b>"}})
    one = await tab(desk)
    for scheme in ("light", "dark"):
        await one.page.emulate_media(color_scheme=scheme)
        await visit(one, f"{server.url}scoreboard/")
        assert await one.page.locator("main table").count() == 1
        (tmp_path / f"{scheme}.png").write_bytes(await one.page.screenshot(full_page=True))
        assert await accessibility_faults(one.page, "html") == [], scheme
    await one.page.close()
