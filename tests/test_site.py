"""The documentation as a site: it builds strictly, asks no network, and every link in it leads somewhere."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import pytest_embedeval
from pytest_embedeval.gate.power import smallest_drop
from tests.conftest import ROOT

DOCS = ROOT / "docs"
SOURCES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", flags=re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)
_FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "audio": "src", "video": "src"}
_IN_CSS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """What one page offers and asks for.

    `ids` are its anchors, `links` all addresses it names, `fetched` those that a browser loads by itself.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        self.links += [given[name] for name in ("href", "src") if name in given]
        if tag in _FETCHED and _FETCHED[tag] in given:
            self.fetched.append(given[_FETCHED[tag]])
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next", "edit"):
            self.fetched.append(given.get("href", ""))
        self.fetched += [found for match in _IN_CSS.findall(given.get("style", "")) for found in match if found]


def broken_links(site: Path) -> Iterator[str]:
    """Yield the links of a built site that lead nowhere; those to other sites are looked at, not followed."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if parts.scheme not in ("http", "https") or "." not in parts.netloc:
                    yield f"{path.relative_to(site)}: {link}"
                continue
            start = site if parts.path.startswith("/") else path.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchors = pages[target].ids if target in pages else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                yield f"{path.relative_to(site)}: {link}"


def asked_elsewhere(site: Path) -> Iterator[str]:
    """Yield what a browser would load from another site: scripts, styles, pictures, fonts."""
    for path in site.rglob("*.html"):
        fetched = Page(path.read_text(encoding="utf-8")).fetched
        yield from (f"{path.relative_to(site)}: {each}" for each in fetched if _away(each))
    for path in site.rglob("*.css"):
        found = (each for match in _IN_CSS.findall(path.read_text(encoding="utf-8")) for each in match if each)
        yield from (f"{path.relative_to(site)}: {each}" for each in found if _away(each))


def _away(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https")


def test_the_site_builds_and_every_link_in_it_leads_somewhere(tmp_path: Path) -> None:
    for library in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(library, reason="the site is built with the extra docs")
    unreachable = "http://127.0.0.1:9"
    surroundings = os.environ | {"NO_MKDOCS_2_WARNING": "1", "http_proxy": unreachable, "https_proxy": unreachable}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    site = (tmp_path / "site").resolve()
    assert list(broken_links(site)) == []
    assert list(asked_elsewhere(site)) == []
    html = "\n".join(path.read_text(encoding="utf-8") for path in site.rglob("*.html"))
    assert 'class="mermaid"' not in html, "Material would load Mermaid from elsewhere"
    reference = Page((site / "api" / "index.html").read_text(encoding="utf-8")).ids
    assert {f"pytest_embedeval.{name}" for name in pytest_embedeval.__all__} <= reference
    assert (site / "report.schema.json").is_file()
    assert not list(site.rglob("*.py"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<a href="gone/">a</a>', "gone/"),
        ('<a href="#gone">a</a>', "#gone"),
        ('<a href="other/#gone">a</a>', "other/#gone"),
        ('<img src="gone.svg">', "gone.svg"),
        ('<a href="http://nowhere">a</a>', "http://nowhere"),
        ('<a href="other/#here">a</a><a href="other/">a</a><a href="https://example.org/a#b">a</a>', None),
    ],
)
def test_a_link_that_leads_nowhere_is_found(text: str, problem: str | None, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "index.html").write_text(text, encoding="utf-8")
    (tmp_path / "other" / "index.html").write_text('<h2 id="here">x</h2>', encoding="utf-8")
    assert list(broken_links(tmp_path)) == ([f"index.html: {problem}"] if problem else [])


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example.org/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.org/a.css">',
        '<link rel="preconnect" href="https://fonts.example.org">',
        '<p style="background: url(https://example.org/a.png)">',
    ],
)
def test_what_would_be_loaded_from_elsewhere_is_found(text: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(text, encoding="utf-8")
    (tmp_path / "a.css").write_text('@import "https://example.org/b.css";', encoding="utf-8")
    assert len(list(asked_elsewhere(tmp_path))) == 2


def test_links_of_the_sources_lead_somewhere_on_github_too() -> None:
    broken = []
    for page in SOURCES:
        for link in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (page.parent / parts.path).resolve() if parts.path else page
            if not target.exists() or (parts.fragment and parts.fragment not in _anchors(target)):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = _HEADING.findall(_CODE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        (None, "the README and [data](data.md)"),
        ("https://example.org/a/b/", "the [README](https://example.org/a/b/blob/main/README.md#x) and [data](data.md)"),
    ],
)
def test_links_out_of_the_folder_go_to_the_repository_or_become_text(repository: str | None, expected: str) -> None:
    rewritten = script("hooks")["rewritten"]
    fenced = "```text\n[a](../README.md)\n```"
    text = f"the [README](../README.md#x) and [data](data.md)\n{fenced}"
    assert rewritten(text, repository) == f"{expected}\n{fenced}"


def script(name: str) -> dict[str, Any]:
    """Return the names of a script in docs/."""
    return runpy.run_path(str(DOCS / f"{name}.py"))


def test_the_pictures_are_those_that_the_gate_draws() -> None:
    drawn = script("pictures")["pictures"]()
    kept = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "pictures").iterdir()}
    assert kept == drawn, "write them anew with: python docs/pictures.py"
    gate = (DOCS / "gate.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(pictures/(.+?)\)", gate)) == set(drawn)


def test_the_pictures_show_every_verdict_once() -> None:
    names = [upgrade.name for upgrade in script("pictures")["UPGRADES"]]
    assert names == ["improved", "non-inferior", "inconclusive", "inconclusive, observed drop", "regressed"]


def test_the_reference_names_all_that_is_public() -> None:
    named = re.findall(r"^::: (\S+)$", (DOCS / "api.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(named) == len(set(named))
    assert {name.removeprefix("pytest_embedeval.") for name in named if name.count(".") == 1} == set(
        pytest_embedeval.__all__
    )
    of_plugin = {name.rpartition(".")[2] for name in named if ".plugin." in name}
    assert of_plugin == {name for name in offered_by_plugin() if not name.startswith("_")}


def offered_by_plugin() -> Iterator[str]:
    """Yield the hooks and the fixtures of the plugin, as its source has them."""
    for path in (ROOT / "pytest_embedeval" / "plugin").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(
                ast.unparse(each).startswith(("pytest.fixture", "pytest.hookspec")) for each in node.decorator_list
            ):
                yield node.name


def test_the_first_page_says_truly_what_few_questions_show() -> None:
    drops = (f"{smallest_drop(n, 0.02, 0.17):.2f}" for n in (50, 300))
    page = (DOCS / "index.md").read_text(encoding="utf-8")
    assert "with 50 questions about {}, with 300 about {}".format(*drops) in page
