"""Verdicts as JUnit's XML, of which CI systems make their lists: one suite, a ``testcase`` a case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from judicia_notebook.experiments.cases.running import Verdict
from judicia_notebook.text import printable

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(suite: str, verdicts: Sequence[Verdict]) -> bytes:
    """The verdicts as an XML document.

    Parameters
    ----------
    suite : str
        What was tested.

    Examples
    --------
    >>> as_junit("greet.c", []).decode().splitlines()[1]
    '<testsuites><testsuite name="greet.c" tests="0" failures="0" errors="0" skipped="0" time="0.000" /></testsuites>'
    """
    root = ET.Element("testsuites")
    failures = sum(not verdict.passed for verdict in verdicts)
    seconds = sum(verdict.seconds for verdict in verdicts)
    counts = {"tests": str(len(verdicts)), "failures": str(failures), "errors": "0", "skipped": "0"}
    named = {"name": _text(suite), **counts, "time": f"{seconds:.3f}"}
    listed = ET.SubElement(root, "testsuite", named)
    for verdict in verdicts:
        one = ET.SubElement(
            listed, "testcase", classname=_text(suite), name=_text(verdict.case.name), time=f"{verdict.seconds:.3f}"
        )
        if not verdict.passed:
            failure = ET.SubElement(one, "failure", message=_text(verdict.problems[0]))
            failure.text = "\n".join(map(_text, verdict.problems))
    whole: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return whole + b"\n"


def _text(text: str) -> str:
    """What XML can hold, and no more than fits a line."""
    return _NOT_XML.sub("\ufffd", printable(text, 2000))
