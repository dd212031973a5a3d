"""How the site is built from the documents: ``make docs``.

The source folder is the repository, so that every link that works on a page of the repository works on the site.
Nothing is fetched and no lesson is run: outputs are shown as they were saved. Warnings are errors.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the API is read from this checkout, whatever is installed

import judicia_notebook  # noqa: E402  # after the path that it is found by

repository = ""
"""The repository's address, as ``https://forge.example/owner/name``: then a button of each lesson opens it on Binder"""

# --- what is built ---------------------------------------------------------------------------------------------------

project = "judicia_notebook"
author = "The judicia_notebook authors"
project_copyright = "The judicia_notebook authors, MIT license"
version = release = judicia_notebook.__version__
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "notebooks/*.ipynb",
    "judicia_notebook/sdk/ABI.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = [
    *(".*", "docs/_build", "tests", "benchmarks", "tools", "dist", "node_modules", "judicia-notebooks"),
    "notebooks/exercises",  # they are to be run, not read
]
extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc"]

# --- pages -----------------------------------------------------------------------------------------------------------

highlight_language = "none"  # a block without a language is a line for a shell, a magic, or what is printed
smartquotes = False  # a title reads as it is asked for
myst_heading_anchors = 4  # the documents link to headings as the repository's page does
nb_execution_mode = "off"  # lessons are shown as saved: a page must not depend on the machine that builds it
nb_merge_streams = True
nb_mime_priority_overrides = [
    (
        "html",
        "application/vnd.jupyter.widget-view+json",
        None,
    ),  # a live view has no kernel here: its static card is shown
]

# --- the API ---------------------------------------------------------------------------------------------------------

default_role = "py:obj"  # single backticks name things here, and what is no page of the API stays plain code
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
numpydoc_show_class_members = False  # each method has an entry of its own
numpydoc_class_members_toctree = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

# --- looks -----------------------------------------------------------------------------------------------------------

html_theme = "sphinx_book_theme"
html_title = "judicia_notebook"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(Path(__file__).with_name("search_scorer.js"))
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "home_page_in_toc": False,
    "navbar_persistent": [],  # the side bar has the search already
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_issues_button": False,
    "use_repository_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
suppress_warnings = [
    "misc.highlighting_failure",  # an example with `...` in it is shown all the same
]


_PICTURE = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">\s*'
    r'<img alt="(?P<alt>[^"]+)" src="(?P<light>[^"]+)">\s*</picture>'
)


def _choose_pictures_by_theme(app: Sphinx, docname: str, source: list[str]) -> None:  # noqa: ARG001  # Sphinx passes all
    """Show the picture for the ground that the page is on: a reader may choose another one than the browser's."""

    def images(match: re.Match[str]) -> str:
        return "\n".join(
            f"```{{image}} {match[ground]}\n:alt: {match['alt']}\n:class: only-{ground}\n```\n"
            for ground in ("light", "dark")
        )

    source[0] = _PICTURE.sub(images, source[0])


_PARAMETERS = re.compile(r'<dl>\n((?:<dd><em class="sig-param">.*</dd>\n)+)</dl>')
_TOGGLE = re.compile(r'(<a class="reference internal" href="[^"]*">([^<]*)</a><details(?: open="open")?><summary)>')
_LOGO = re.compile(r'<div class="sidebar-primary-item">(?=\s*<a class="navbar-brand logo")')
_EMPTY_HEAD = re.compile(r'<th(?: class="head[^"]*")?>(?:<p></p>)?</th>')


def _mend(page: str) -> str:
    """Say to a screen reader what Sphinx and the theme show to the eye alone."""
    lines = _PARAMETERS.sub(
        lambda found: found[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>"), page
    )
    named = _TOGGLE.sub(r'\1 aria-label="Pages of \2">', lines)
    return _EMPTY_HEAD.sub(
        "<td></td>", _LOGO.sub('<div class="sidebar-primary-item" role="navigation" aria-label="Home">', named)
    )


def _mend_pages(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        for path in Path(app.outdir).rglob("*.html"):
            if (mended := _mend(page := path.read_text("utf-8"))) != page:
                path.write_text(mended, "utf-8")


def _write_front_page(app: Sphinx, error: Exception | None) -> None:
    """Lead from the site's root to its first page, which lies where the documents do."""
    if error is None and app.builder.format == "html":
        target = app.builder.get_target_uri(root_doc)
        page = f'<!doctype html><meta charset="utf-8"><title>{html_title}</title>'
        Path(app.outdir, "index.html").write_text(
            f'{page}<meta http-equiv="refresh" content="0; url={target}"><a href="{target}">{html_title}</a>\n', "utf-8"
        )


def _add_buttons(app: Sphinx, config: Config) -> None:  # noqa: ARG001  # Sphinx passes both
    """Let a lesson be opened from its page, where the repository has an address."""
    if config.repository:
        forges = ("github", "gitlab", "bitbucket")
        config.html_theme_options |= {
            "repository_url": config.repository.rstrip("/"),
            # Of another one the theme wants to be told what it is. Binder takes any address that git does.
            "repository_provider": next((forge for forge in forges if forge in config.repository), "gitlab"),
            "repository_branch": "main",
            "use_repository_button": True,
            "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"},
        }


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what this site adds to Sphinx."""
    app.add_config_value("repository", "", "html", str)
    app.connect("config-inited", _add_buttons)
    app.connect("source-read", _choose_pictures_by_theme)
    app.connect("build-finished", _write_front_page)
    app.connect("build-finished", _mend_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
