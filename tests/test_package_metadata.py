"""What stands beside the code for those who cite, report, build and publish. `make package` checks the rest."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import judicia_notebook as jn
from tools import check_package

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
PINNED = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def test_the_citation_has_what_its_format_requires_and_this_version() -> None:
    citation = read(ROOT / "CITATION.cff")
    assert {"authors", "cff-version", "message", "title"} <= set(citation)  # all that CFF 1.2.0 requires
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in {"software", "dataset"}
    assert citation["authors"] == [{"name": "The judicia_notebook authors"}]  # an entity, which has a name alone
    assert (citation["title"], citation["version"], citation["license"]) == ("judicia_notebook", jn.__version__, "MIT")


def test_an_action_is_pinned_by_its_commit_and_says_its_version() -> None:
    lines = [line for path in WORKFLOWS for line in path.read_text("utf-8").splitlines()]
    used = [line.partition("uses: ")[2] for line in lines if "uses: " in line]
    assert len(used) > 6
    assert [action for action in used if not PINNED.fullmatch(action)] == []
    commits: dict[str, set[str]] = {}
    for action in used:
        commits.setdefault(action.partition("@")[0], set()).add(action)
    assert [sorted(several) for several in commits.values() if len(several) > 1] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_has_no_permission_that_it_does_not_name_and_an_end(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert job["timeout-minutes"] <= 120, name
        writes = {key for key, access in job["permissions"].items() if access == "write"}
        assert not writes or name == "publish", name


def test_nothing_is_published_but_for_a_tag_and_after_every_trial() -> None:
    jobs = read(GITHUB / "workflows" / "wheels.yml")["jobs"]
    publish = jobs["publish"]
    assert "refs/tags/v" in publish["if"]
    assert set(publish["needs"]) == set(jobs) - {"publish"}
    assert [step.get("uses", "").partition("@")[0] for step in publish["steps"]] == [
        "actions/download-artifact",
        "actions/attest-build-provenance",
        "pypa/gh-action-pypi-publish",
    ]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_in_fields_that_have_a_name(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert fields
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids))
    assert all(field["attributes"]["label"] for field in fields)


def test_who_found_a_hole_is_sent_away_from_public_issues() -> None:
    body = read(GITHUB / "ISSUE_TEMPLATE" / "security.yml")["body"]
    told = " ".join(field["attributes"].get("value", "") for field in body)
    assert "SECURITY.md" in told
    assert "public" in told
    assert {field["type"] for field in body}.isdisjoint({"input", "textarea"})
    assert read(GITHUB / "ISSUE_TEMPLATE" / "config.yml")["blank_issues_enabled"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="pip-audit is a shell script here; enable: POSIX")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', "not audited, .* none of the packages"),
        ("", "not audited, .* no such host"),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": ""}]}',
            "no vulnerability of 1 packages; 1 ",
        ),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]}]}', None),
    ],
)
def test_an_audit_that_nobody_answers_is_said_and_one_that_finds_something_fails(
    said: str, told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "pip-audit"
    script.write_text(f"#!/bin/sh\necho '{said}'\necho 'no such host' >&2\nexit 1\n")
    script.chmod(stat.S_IRWXU)
    monkeypatch.setattr(check_package, "BIN", tmp_path)
    if told is None:
        with pytest.raises(check_package.CheckError, match="1 known"):
            check_package.audit(Path(sys.executable))
        assert "a 1: PYSEC-1" in capsys.readouterr().out
    else:
        check_package.audit(Path(sys.executable))
        assert re.search(told, capsys.readouterr().out)
