"""The scoreboard as a page: the public's board for a browser, whatever teams are called."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from html.parser import HTMLParser

import pytest

import judicia_notebook as jn
from tests.plugins.icpc import PATIENT, Run, feed

GRANTS = ["read_database", "write_database", "subscribe_events=submission.judged", "emit_event", "register_routes"]
RUNS = [
    Run("1", "lund", "A", 10),
    Run("2", "graz", "A", 12, "wrong_answer"),
    Run("3", "graz", "A", 20),
    Run("4", "oslo", "B", 30, "wrong_answer"),
    Run("5", "oslo", "B", 70),
]
HOSTILE = "</bdi></th></table><script>document.title='mine'</script><img src=x onerror=\"alert('1')\">&amp;\u202e"


class Page(HTMLParser):
    """What a browser would make of a page: its elements, its table, its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.text = ""
        self.in_table = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.in_table |= tag == "th"
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        elif tag == "small":
            self.rows[-1][-1] += " "

    def handle_endtag(self, tag: str) -> None:
        self.in_table &= tag != "table"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.in_table:
            self.rows[-1][-1] += data


def ask(board: jn.Plugin, target: str = "/scoreboard/", method: str = "GET", **headers: str) -> tuple[int, str, str]:
    """Status, media type and body of what the board answers."""
    path, _, query = target.partition("?")
    said = dict(pair.split("=") for pair in query.split("&") if pair)
    answer = board.call(
        "on_http_request", {"method": method, "path": path, "query": said, "headers": headers, "body": ""}
    )
    return answer["status"], answer["headers"]["content-type"], answer["body"]


@pytest.fixture
def board(rt: jn.Runtime) -> jn.Plugin:
    rt.host.events.set_limits(retry_delay=0)
    return rt.load("example:scoreboard", grant=GRANTS, quota=PATIENT)


def test_the_page_shows_what_the_public_may_know(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("configure", {"contest": "Autumn cup", "freeze_minute": 60})
    feed(rt, RUNS)
    status, kind, html = ask(board)
    page = Page(html)
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "Autumn cup" in page.text
    assert "3 teams, 2 problems, 2 solves frozen since minute 60: 1 run open" in page.text
    assert page.rows == [
        ["Rank", "Team", "Solved", "Time", "A", "B"],
        ["1", "lund", "1", "10", "★ 10 1 try", ""],
        ["2", "graz", "1", "40", "20 2 tries", ""],
        ["3", "oslo", "0", "0", "", "? 1 + 1"],
        ["", "solved by", "", "", "2", "0"],
    ]
    board.call("unfreeze")
    assert Page(ask(board)[2]).rows[3] == ["3", "oslo", "1", "90", "", "★ 70 2 tries"]


def test_the_board_is_the_main_part_of_the_page(rt: jn.Runtime, board: jn.Plugin) -> None:
    for runs in ([], RUNS):
        feed(rt, runs)
        html = ask(board)[2]
        assert html.count("<main>") == html.count("</main>") == 1
        main = html.partition("<main>")[2].partition("</main>")[0]
        assert ("<table>" in main) == bool(runs)
        assert "<header>" not in main
        assert "<footer>" not in main


def test_a_run_that_is_not_judged_yet_says_so(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, [*RUNS[:2], Run("9", "oslo", "A", 5, "pending")])
    page = Page(ask(board)[2])
    assert "3 teams, 1 problem, 1 solve 1 run not judged yet" in page.text
    assert "? waits for a judgement" in page.text
    assert page.rows[1] == ["1", "lund", "1", "10", "10 1 try"]


def luminance(colour: str) -> float:
    """The relative luminance of WCAG."""
    digits = "".join(2 * digit for digit in colour) if len(colour) == 3 else colour
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_all_text_stands_out_from_its_ground(board: jn.Plugin, scheme: int) -> None:
    palette = dict(re.findall(r"--(\w+):#(\w+)", re.findall(r":root{[^}]*}", ask(board)[2])[scheme]))
    grounds = {"ink": ("paper", "solved", "tried", "pending", "state"), "note": ("solved", "tried", "pending")}
    grounds |= {"faint": ("paper", "head"), "link": ("paper",), "onfirst": ("first",)}
    for text, behind in grounds.items():
        for ground in behind:
            dark, light = sorted(luminance(palette[name]) for name in (text, ground))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_problems_are_called_by_their_labels(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, RUNS)
    board.call("configure", {"labels": {"A": "Asteroids", "C": HOSTILE}, "problems": ["A", "B", "C"]})
    page = Page(ask(board)[2])
    assert page.rows[0][4:] == ["Asteroids", "B", HOSTILE]
    assert page.elements.isdisjoint({"script", "img"})


def test_the_page_brings_its_style_and_nothing_that_runs_or_is_fetched(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, RUNS)
    html = ask(board)[2]
    page = Page(html)
    assert page.elements.isdisjoint({"script", "img", "iframe", "object", "form", "base"})
    assert page.attributes <= {"charset", "class", "content", "href", "lang", "name", "scope"}
    assert "url(" not in html
    assert "@import" not in html
    assert "prefers-color-scheme:dark" in html


def test_the_same_is_there_as_data(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("configure", {"contest": "Autumn cup", "freeze_minute": 60})
    feed(rt, RUNS)
    expected = board.call("standings") | {"contest": "Autumn cup"}
    for answer in (ask(board, "/scoreboard/standings.json"), ask(board, accept="application/json;q=0.9")):
        assert answer[:2] == (200, "application/json")
        assert json.loads(answer[2]) == expected
    browser = ask(board, accept="text/html,application/json;q=0.9,*/*;q=0.8")
    assert browser[1] == "text/html; charset=utf-8"


@pytest.mark.parametrize("name", [HOSTILE, "{{7*7}} ${7*7}", "\x01\x1b[31m\x85\t", "ن" * 90, "'); DROP TABLE x;--"])
def test_a_hostile_name_is_text_on_the_page_and_unchanged_in_the_data(
    rt: jn.Runtime, board: jn.Plugin, name: str
) -> None:
    board.call("configure", {"contest": name})
    feed(rt, [Run("1", name, name, 10), Run("2", "oslo", "B", 10)])
    page = Page(ask(board)[2])
    shown = "".join("\ufffd" if unicodedata.category(one) == "Cc" else one for one in name)
    assert {row[1] for row in page.rows[1:3]} == {shown, "oslo"}
    assert {*page.rows[0][4:]} == {shown, "B"}
    assert page.elements.isdisjoint({"script", "img"})
    assert page.attributes <= {"charset", "class", "content", "href", "lang", "name", "scope"}
    data = json.loads(ask(board, "/scoreboard/standings.json")[2])
    assert {row["team"] for row in data["rows"]} == {name, "oslo"}


def test_an_empty_contest_is_a_page_too(board: jn.Plugin) -> None:
    status, _, html = ask(board)
    page = Page(html)
    assert (status, page.rows) == (200, [])
    assert "No run has been judged yet." in page.text
    assert json.loads(ask(board, "/scoreboard/standings.json")[2])["rows"] == []


def test_a_board_of_two_hundred_teams_is_whole_and_soon_there(rt: jn.Runtime, board: jn.Plugin) -> None:
    teams = [f"team {number:03}" for number in range(200)]
    problems = list("ABCDEFGHIJKL")
    board.call("configure", {"teams": teams, "problems": problems})
    feed(rt, [Run(str(number), team, problems[number % 12], number) for number, team in enumerate(teams)])
    began = time.monotonic()
    page = Page(ask(board)[2])
    assert time.monotonic() - began < 60
    assert [row[1] for row in page.rows[1:-1]] == teams
    assert {len(row) for row in page.rows} == {4 + 12}


def test_one_scoreboard_keeps_one_contest(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("configure", {"contest": "autumn"})
    feed(rt, RUNS)
    assert ask(board, "/scoreboard/?contest=autumn") == ask(board)
    assert ask(board, "/scoreboard/standings.json?contest=autumn") == ask(board, "/scoreboard/standings.json")
    for target in ("/scoreboard/?contest=spring", "/scoreboard/standings.json?contest="):
        assert ask(board, target)[:2] == (404, "text/plain; charset=utf-8")


def test_a_head_request_gets_the_same_without_a_body(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, RUNS)
    assert ask(board, method="HEAD") == (200, "text/html; charset=utf-8", "")


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        ("/scoreboard/jury", "GET", 404),
        ("/scoreboard/jury/", "GET", 404),
        ("/scoreboard//", "GET", 404),
        ("/", "GET", 404),
        ("/scoreboard/", "POST", 405),
        ("/scoreboard/standings.json", "DELETE", 405),
        ("/scoreboard/?view=jury", "GET", 400),
        ("/scoreboard/?contest=a&view=jury", "GET", 400),
        ("/scoreboard", "GET", 308),
    ],
)
def test_what_it_does_not_answer_it_refuses_in_a_sentence(
    rt: jn.Runtime, board: jn.Plugin, target: str, method: str, status: int
) -> None:
    feed(rt, RUNS)
    answer = ask(board, target, method)
    assert answer[:2] == (status, "text/plain; charset=utf-8")
    assert answer[2].endswith(".\n")
    assert "lund" not in answer[2]


def test_without_the_grant_to_read_it_says_so_and_recovers(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, RUNS)
    board.policy.revoke("read_database")
    assert ask(board) == (503, "text/plain; charset=utf-8", "The scoreboard may not read its tables at present.\n")
    board.policy.grant("read_database")
    assert ask(board)[0] == 200


def test_a_contests_name_has_an_end(board: jn.Plugin) -> None:
    with pytest.raises(jn.GuestError, match="field `contest`: longer than 200 bytes"):
        board.call("configure", {"contest": "x" * 201})
