"""The summary as a comment on a pull request: whole where there is room, else shortened from its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_embedeval.gate import Comparison, QueryChange, Verdict
from pytest_embedeval.report import Report, assemble, write_run
from pytest_embedeval.report.markdown import markdown_lines
from pytest_embedeval.report.schema import Part
from pytest_embedeval.report.summary import COMMENT_LIMIT, ROOM, comment_text, fitting_text
from tests.report.test_gather import RUN, part

NOTE = "Shortened: a comment on GitHub holds at most 65,536 characters. The rest is in `report.json`."


def _upgrade(models: int, query: str) -> Report:
    """Make a report in which so many models lost a query each, in suites of which each has a folded block."""
    aliases = [f"model-{number}" for number in range(models)]
    place = ("retrieval", "medical", "mrr@10")
    verdicts = [
        Verdict(alias, *place, "against", 0.5, 0.6, "fail", "fell", reference="prod", change="regressed")
        for alias in aliases
    ]
    lost = QueryChange(f"q{query}", query, 1.0, 0.0, 1, 158)
    comparisons = [
        Comparison(alias, "prod", "against", *place, "old", "new", 40, 20, 0, None, [], [lost] * 20)
        for alias in aliases
    ]
    return assemble(RUN, [Part(verdicts=verdicts, comparisons=comparisons), *map(part, aliases)], aliases)


def test_a_small_run_is_told_whole() -> None:
    report = _upgrade(2, "Ağrı ne zaman geçer?")
    assert comment_text(report, ["late"]).splitlines() == list(markdown_lines(report, ["late"]))


@pytest.mark.parametrize("query", ["Ağrı ne zaman geçer? ", "🫀", "ألم في الصدر", "| _*` "])
def test_a_large_run_is_shortened_and_says_so(query: str) -> None:
    report = _upgrade(60, query * 60)
    whole = list(markdown_lines(report))
    assert sum(map(len, whole)) > COMMENT_LIMIT
    text = comment_text(report)
    assert COMMENT_LIMIT - 4 * ROOM < len(text.encode("utf-8")) <= COMMENT_LIMIT
    assert len(text.encode("utf-16-le")) // 2 <= COMMENT_LIMIT
    *kept, empty, last = text.splitlines()
    assert (empty, last) == ("", NOTE)
    assert kept.count("</details>") == sum(line.startswith("<details>") for line in kept) > 0
    assert kept[:-2] == whole[: len(kept) - 2]  # the last two may close a folded block


@pytest.mark.parametrize("room", range(ROOM, ROOM + 40))
def test_wherever_it_is_cut_folded_blocks_are_closed(room: int) -> None:
    lines = ["## head", "<details><summary>x</summary>", "", "- one", "", "</details>", "end"]
    text = fitting_text(lines, room, "full")
    assert len(text.encode("utf-8")) <= room
    assert text.count("<details>") == text.count("</details>")
    assert text.endswith("\nShortened: full. The rest is in `report.json`.\n")


def test_the_next_run_replaces_it(tmp_path: Path) -> None:
    write_run(_upgrade(1, "first"), [], [], tmp_path, ["the whole run"])
    assert "the whole run" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    left = tmp_path / ".summary.md.killed.tmp"
    left.write_text("half", encoding="utf-8")
    write_run(assemble(RUN, [part("a")], ["a"]), [], [], tmp_path)
    assert (
        (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("## pytest-embedeval: 1 model, no failure\n")
    )
    assert not left.exists()
