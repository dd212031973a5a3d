"""The text of a statement, read as far as is needed to say what kind it is and which parameters it names.

The database itself keeps a plugin within its own tables (`sqlite`, `postgresql`), not this reading. The reading serves
four things:

- It passes on only the kinds of statements that both databases can confine.
- It counts `$1` and its successors, so that a value too many or too few is an error and never a shift.
- It knows the words of a statement when a denial has to name a table.
- It refuses texts that PostgreSQL expands exponentially before it checks for a cancel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.text import printable

PLATFORM: Final = "judicia_platform"
"""The schema of the platform's tables, in both databases."""

READING: Final = ("SELECT", "VALUES", "WITH")
"""What `query` takes: the first word."""

CHANGING: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH")
DEFINING: Final = re.compile(
    r"(CREATE (UNIQUE )?INDEX|CREATE TABLE|CREATE VIEW|ALTER TABLE|DROP (TABLE|INDEX|VIEW))(?= |$)"
)
"""What `execute` takes: the first words."""

_MOST_WORDS: Final = 2000

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n\f]+)
    | (?P<comment>/\*|--)
    | (?P<text>'(?:[^']|'')*(?P<closed>')?)
    | (?P<quoted>"(?:[^"]|"")*"?|`[^`]*`?)
    | (?P<dollar>\$(?P<tag>[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff]*)?\$)
    | (?P<parameter>\$[0-9]+)
    | (?P<word>[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*)
    | (?P<end>;)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    Attributes
    ----------
    sql : str
        As the plugin wrote it.
    kind : str
        Its first words in capitals, such as ``SELECT`` or ``CREATE TABLE``.
    target : str
        The table whose rows it changes, as far as its words tell, in small letters.
    names : frozenset of str
        Every word in it that could be a name, likewise.
    """

    sql: str
    kind: str
    target: str
    names: frozenset[str]

    @property
    def defines(self) -> bool:
        """Whether it makes, changes or drops a table, an index or a view."""
        return DEFINING.fullmatch(self.kind) is not None


def read(sql: str, count: int, *, writing: bool, postgresql: bool) -> Statement:
    """Read a statement that comes with so many parameters.

    Raises
    ------
    ServiceError
        ``bad_request``: not one statement, not of a kind that is offered here, or parameters that do not fit.
    """
    if "\0" in sql:
        raise ServiceError("bad_request", f"field `sql` holds a NUL, as character {sql.index(chr(0)) + 1}")
    words: list[str] = []
    names: list[str] = []
    parameters: set[int] = set()
    ended = False
    for kind, token in _tokens(sql, postgresql=postgresql):
        if kind == "space":
            continue
        if ended:
            after = printable(token, 40)
            raise ServiceError("bad_request", f"one statement at a time: `{after}` follows after the `;`")
        if kind == "end":
            ended = True
        elif kind == "parameter":
            parameters.add(int(token[1:]) if len(token) < 8 else -1)
        elif kind in ("word", "quoted"):
            names.append(token.strip('"`').lower())
            _check_words(names, postgresql=postgresql)
        if not ended and len(words) < 3:
            words.append(token.upper() if kind == "word" else "")
    _check_parameters(parameters, count)
    return Statement(sql, _kind(words, writing=writing), _target(names), frozenset(names))


def _check_words(names: list[str], *, postgresql: bool) -> None:
    if len(names) > _MOST_WORDS:
        raise ServiceError("quota_exceeded", f"more than {_MOST_WORDS} names and keywords in one statement")
    if postgresql and names[-2:] == ["not", "materialized"]:
        raise ServiceError("bad_request", "NOT MATERIALIZED is not offered")


def _target(names: list[str]) -> str:
    """The name after INTO, FROM or UPDATE; this only makes a denial more precise."""
    if not names:
        return ""
    after = {"insert": "into", "replace": "into", "merge": "into", "delete": "from", "update": "update"}.get(names[0])
    rest = names[names.index(after) + 1 :] if after in names else []
    skipped = {"or", "ignore", "replace", "abort", "fail", "rollback", "only", PLATFORM}
    return next((name for name in rest if name not in skipped), "")


def _kind(words: list[str], *, writing: bool) -> str:
    first = words[0] if words else ""
    if first in (CHANGING if writing else READING):
        return first
    found = DEFINING.match(" ".join(words))
    if writing and found:
        return found[0]
    shown = printable(" ".join(words).split("  ")[0].strip(), 60) or "nothing"
    if writing and first in READING:
        raise ServiceError("bad_request", f"execute changes something; `{shown}` is for query")
    if not writing and (first in CHANGING or found):
        raise ServiceError("bad_request", f"query only reads; `{shown}` is for execute")
    offered = (
        "INSERT, UPDATE, DELETE, WITH, CREATE TABLE, INDEX or VIEW, ALTER TABLE, DROP TABLE, INDEX or VIEW"
        if writing
        else "SELECT, VALUES or WITH"
    )
    raise ServiceError("bad_request", f"a statement here begins with {offered}; this one with `{shown}`")


def _check_parameters(used: set[int], count: int) -> None:
    for number in sorted(used):
        if not 1 <= number <= count:
            shown = f"${number}" if number >= 0 else "a parameter with too large a number"
            raise ServiceError("bad_request", f"the statement names {shown}, and field `params` has {count} values")
    for number in range(1, count + 1):
        if number not in used:
            raise ServiceError(
                "bad_request", f"field `params` has {count} values, and ${number} is not in the statement"
            )


def _tokens(sql: str, *, postgresql: bool) -> list[tuple[str, str]]:
    """The tokens by kind. Text, a name or a comment without an end is one token to the end: the database refuses it."""
    found: list[tuple[str, str]] = []
    at = 0
    before = ""
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        assert match is not None  # noqa: S101  # `other` is any character
        kind, end = match.lastgroup or "other", match.end()
        if match["comment"]:
            kind, end = "space", _end_of_comment(sql, at, postgresql=postgresql)
        elif match["dollar"]:
            kind, end = ("text", _after(sql, match["dollar"], end)) if postgresql else ("other", at + 1)
        elif match["text"]:
            kind = "text"
            if postgresql and before.upper() == "E":
                end = _end_of_escaped(sql, at)
        elif match["quoted"] and match["quoted"][0] == "`" and postgresql:
            kind, end = "other", at + 1
        found.append((kind, sql[at:end]))
        before = sql[at:end] if kind == "word" else ""
        at = end
    return found


def _after(sql: str, text: str, start: int) -> int:
    at = sql.find(text, start)
    return len(sql) if at < 0 else at + len(text)


_COMMENT_EDGE = re.compile(r"/\*|\*/")
_LINE = {True: re.compile(r"[^\r\n]*"), False: re.compile(r"[^\n]*")}
_ESCAPED = re.compile(r"'(?:[^'\\]|\\.|'')*'?", re.DOTALL)


def _end_of_comment(sql: str, start: int, *, postgresql: bool) -> int:
    """PostgreSQL ends a line at a carriage return, too, and counts comments within comments."""
    if sql.startswith("--", start):
        line = _LINE[postgresql].match(sql, start)
        return line.end() if line else len(sql)
    if not postgresql:
        return _after(sql, "*/", start + 2)
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, start + 2):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)


def _end_of_escaped(sql: str, start: int) -> int:
    match = _ESCAPED.match(sql, start)
    return match.end() if match else len(sql)
