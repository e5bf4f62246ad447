"""GitHub Actions: what is appended to the step summary, and which annotations stand beside which lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pytest_embedeval.gate import Comparison, QueryChange, Verdict
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.plugin.github import SUMMARY_LIMIT, annotation_lines, is_wanted, write_summary
from pytest_embedeval.report import Report, failure_line
from pytest_embedeval.report.markdown import markdown_lines
from pytest_embedeval.report.schema import Git, Run
from pytest_embedeval.settings import Settings, load_settings

ON_GITHUB = {"GITHUB_ACTIONS": "true"}

_CONFIGURATION = """\
[datasets.medical]  # "mrr@10" = not here
path = "medical.json"
format = "squad"

[gates."retrieval/medical"]  # for every model
"recall@10" = { min = 0.8 }
"mrr@10" = { min = 0.5 }

[gates."retrieval/medical".bm25]
"mrr@10" = { min = 0.3 }

[gates."retrieval/other"]
"ndcg@10" = { min = 0.3 }
"""

_TESTS = '''\
"""Suites."""

import pytest


class TestSearch:
    async def test_retrieval_late(self):
        pass

    def test_retrieval(self, model):
        pass
'''


@pytest.mark.parametrize(
    ("environ", "github", "wanted"),
    [
        ({"GITHUB_ACTIONS": "true"}, "auto", True),
        ({"GITHUB_ACTIONS": "true"}, "off", False),
        ({"GITHUB_ACTIONS": "false"}, "auto", False),
        ({"CI": "true"}, "auto", False),
    ],
)
def test_it_speaks_only_on_github_and_when_not_switched_off(
    tmp_path: Path, environ: dict[str, str], github: str, wanted: bool
) -> None:
    settings = Settings(tmp_path, github=github)
    report = _report(_verdict("a", "fail", "fell"))
    assert is_wanted(settings, environ) is wanted
    assert bool(list(annotation_lines(report, settings, environ))) is wanted


def test_the_summary_follows_what_other_tools_wrote(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# Bölüm", encoding="utf-8")
    report = _report(_verdict("a", "fail", "ağrı ölçüldü"))
    assert write_summary(report, {"GITHUB_STEP_SUMMARY": str(summary)}, ["b: no test of it ran"]) is None
    first, *rest = summary.read_bytes().decode("utf-8").split("\n")
    assert first == "# Bölüm"
    assert rest == [*markdown_lines(report, ["b: no test of it ran"]), ""]


def test_without_a_summary_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_summary(_report(), {}) is None
    assert write_summary(_report(), {"GITHUB_STEP_SUMMARY": ""}) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "said"), [("", "Is a directory"), ("no folder/summary.md", "No such file")])
def test_a_summary_that_cannot_be_written_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    problem = write_summary(_report(), {"GITHUB_STEP_SUMMARY": str(tmp_path / name)})
    assert problem is not None
    assert problem.startswith(f"the step summary could not be written: {tmp_path / name}: {said}")
    assert "\n" not in problem


@pytest.mark.parametrize("room", [3_000, 9_000])
def test_a_summary_beyond_githubs_limit_is_shortened_and_says_so(tmp_path: Path, room: int) -> None:
    """Wherever it is cut: folded blocks are closed, and the last line is whole."""
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * (SUMMARY_LIMIT - room))
    report = _report(_verdict("a", "fail", "fell", reference="prod"), comparisons=[_comparison("|" * 120)])
    assert sum(len(line.encode()) for line in markdown_lines(report)) > room
    assert write_summary(report, {"GITHUB_STEP_SUMMARY": str(summary)}) is None
    assert SUMMARY_LIMIT - 3_000 < summary.stat().st_size <= SUMMARY_LIMIT
    *lines, empty, last, end = summary.read_text(encoding="utf-8").split("\n")
    assert (empty, end) == ("", "")
    assert last == "Shortened: GitHub shows no summary of more than 1 MiB. The rest is in `report.json`."
    assert lines.count("</details>") == sum(line.startswith("<details>") for line in lines)


def test_a_summary_cut_after_a_folded_block_closes_nothing(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    report = _report(
        *(_verdict(alias, "fail", "fell", reference="prod") for alias in "ab"),
        comparisons=[_comparison("short"), _comparison("|" * 120, model="b")],
    )
    until = list(markdown_lines(report)).index("</details>") + 1
    first = sum(len(line.encode()) + 1 for line in list(markdown_lines(report))[:until])
    summary.write_bytes(b"x" * (SUMMARY_LIMIT - first - 1024 - 2))
    assert write_summary(report, {"GITHUB_STEP_SUMMARY": str(summary)}) is None
    lines = summary.read_text(encoding="utf-8").split("\n")
    assert lines.count("</details>") == sum(line.startswith("<details>") for line in lines) == 1


def test_a_full_summary_is_left_as_it_is(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * (SUMMARY_LIMIT - 100))
    problem = write_summary(_report(), {"GITHUB_STEP_SUMMARY": str(summary)})
    assert problem is not None
    assert "is full" in problem
    assert summary.stat().st_size == SUMMARY_LIMIT - 100


def test_each_kind_of_verdict_has_its_annotation(tmp_path: Path) -> None:
    report = _report(
        _verdict("a", "fail", "fell"),
        _verdict("a", "error", "was not measured"),
        _verdict("a", "inconclusive", "neither shown nor refuted"),
        _verdict("a", "pass", "rose", reference="prod", change="improved"),
        _verdict("a", "pass", "fine"),
        _verdict("a", "fail", "informs", advisory=True),
        _verdict("a", "pass", "informs too", change="improved", advisory=True),
        models=[ModelInfo("gone", "./gone", error="there is no folder ./gone")],
    )
    verdict = report.verdicts[0]
    found = _annotations(report, Settings(tmp_path), faults=[failure_line(verdict), "b: no test of it ran"])
    assert [(kind, message) for kind, _, message in found] == [
        ("error", "there is no folder ./gone"),
        ("error", "b: no test of it ran"),
        ("error", "fell"),
        ("error", "was not measured"),
        ("warning", "neither shown nor refuted"),
        ("notice", "rose"),
    ]
    assert found[0][1] == {"title": "gone could not be loaded"}
    assert found[2][1] == {"title": "a: mrr@10 of retrieval/medical"}


def test_what_a_runner_reads_is_what_was_written(tmp_path: Path) -> None:
    message = "100 % of a::b, c\r\nnext line %0A ::error::not a command"
    report = _report(_verdict("a", "fail", message, dataset="a,b::c%3A\nd", slice="field=x,y"))
    (line,) = annotation_lines(report, Settings(tmp_path), ON_GITHUB)
    assert "\n" not in line
    assert "\r" not in line
    assert line.startswith("::error title=a%3A mrr@10 of retrieval/a%2Cb%3A%3Ac%253A%0Ad (field=x%2Cy)::100 %25 of a")
    assert _read(line) == ("error", {"title": "a: mrr@10 of retrieval/a,b::c%3A\nd (field=x,y)"}, message)


def test_a_long_message_is_cut_before_it_is_escaped(tmp_path: Path) -> None:
    report = _report(_verdict("a", "fail", "%" * 100_000, metric="%" * 1_000))
    ((_, given, message),) = _annotations(report, Settings(tmp_path))
    assert message == "%" * 2_000
    assert given["title"] == f"a: {'%' * 247}"  # the Checks API takes titles of up to 255 characters


@pytest.mark.parametrize(("number", "lines"), [(9, 9), (10, 10), (11, 10), (30, 10)])
def test_of_many_annotations_the_tenth_says_how_many_are_left(tmp_path: Path, number: int, lines: int) -> None:
    report = _report(
        *(_verdict("a", "fail", f"fell {place}") for place in range(number)),
        *(_verdict("a", "inconclusive", f"open {place}") for place in range(number)),
    )
    found = _annotations(report, Settings(tmp_path))
    assert len(found) == 2 * lines
    if number > 10:
        rest = number - 9
        assert found[9][2] == f"{rest} more errors are in the log, the step summary and .embedeval/report.json"
        assert found[19][2].startswith(f"{rest} more warnings ")
    else:
        assert found[-1][2] == f"open {number - 1}"


@pytest.mark.parametrize(
    ("model", "metric", "line"),
    [
        ("a", "mrr@10", "7"),
        ("a", "recall@10", "6"),
        ("bm25", "mrr@10", "10"),
        ("bm25", "recall@10", "6"),
        ("a", "ndcg@10", ""),
    ],
)
@pytest.mark.parametrize("name", ["embedeval.toml", "pyproject.toml"])
def test_a_threshold_points_to_its_line(tmp_path: Path, name: str, model: str, metric: str, line: str) -> None:
    prefix = "[" if name == "embedeval.toml" else "[tool.embedeval."
    text = "\n".join(part.replace("[", prefix, 1) if part[:1] == "[" else part for part in _CONFIGURATION.split("\n"))
    (tmp_path / name).write_text(text, encoding="utf-8")
    report = _report(_verdict(model, "fail", "fell", metric=metric))
    ((_, given, _),) = _annotations(report, load_settings(tmp_path))
    assert (given["file"], given.get("line", "")) == (name, line)


@pytest.mark.parametrize(
    ("test", "line"),
    [
        ("suites/test_search.py::TestSearch::test_retrieval", "10"),
        ("suites/test_search.py::TestSearch::test_retrieval_late", "7"),
        ("suites/test_search.py::test_gone", ""),
    ],
)
def test_a_comparison_points_to_its_test(tmp_path: Path, test: str, line: str) -> None:
    """Relative to the checkout, where the project is but a folder of it."""
    project = _project(tmp_path / "checkout" / "search")
    report = _report(_verdict("a", "fail", "fell", reference="a"))
    ((_, given, _),) = _annotations(
        report, load_settings(project), workspace=tmp_path / "checkout", tests={("a", "retrieval/medical"): [test]}
    )
    assert (given["file"], given.get("line", "")) == ("search/suites/test_search.py", line)


def test_where_the_checkout_has_another_path_files_are_relative_to_the_root(tmp_path: Path) -> None:
    """In a container of its own, say."""
    project = _project(tmp_path / "search")
    report = _report(_verdict("a", "fail", "fell"))
    ((_, given, _),) = _annotations(report, load_settings(project), workspace=tmp_path / "elsewhere")
    assert given["file"] == "embedeval.toml"


def test_without_its_test_a_comparison_points_to_the_configuration(tmp_path: Path) -> None:
    project = _project(tmp_path)
    report = _report(_verdict("a", "fail", "fell", reference="prod"))
    gone = {("a", "retrieval/medical"): ["suites/gone.py::test_it"]}
    for tests in (gone, {}):
        ((_, given, _),) = _annotations(report, load_settings(project), tests=tests)
        assert (given["file"], given["line"]) == ("embedeval.toml", "7")


def test_a_file_outside_the_checkout_is_not_named(tmp_path: Path) -> None:
    project = _project(tmp_path / "project")
    (tmp_path / "test_own.py").write_text("def test_it(): pass\n", encoding="utf-8")
    report = _report(_verdict("a", "fail", "fell", reference="a"))
    tests = {("a", "retrieval/medical"): ["../test_own.py::test_it"]}
    ((_, given, _),) = _annotations(report, load_settings(project), tests=tests)
    assert given["file"] == "embedeval.toml"


def _project(folder: Path) -> Path:
    (folder / "suites").mkdir(parents=True)
    (folder / "embedeval.toml").write_text(_CONFIGURATION, encoding="utf-8")
    (folder / "suites" / "test_search.py").write_text(_TESTS, encoding="utf-8")
    return folder


def _report(*verdicts: Verdict, models: Sequence[ModelInfo] = (), comparisons: Sequence[Comparison] = ()) -> Report:
    return Report(
        run=Run(started="2025-01-01", duration_s=1.0, git=Git(), versions={}, machine={}, settings={}),
        models=list(models),
        datasets=[],
        measurements=[],
        speed=[],
        verdicts=list(verdicts),
        comparisons=list(comparisons),
    )


def _verdict(model: str, state: str, reason: str, **others: object) -> Verdict:
    rule = "against" if "reference" in others else "min"
    given = {"suite": "retrieval", "dataset": "medical", "metric": "mrr@10", "rule": rule, "value": 0.3, "bound": 0.4}
    return Verdict(model, state=state, reason=reason, **{**given, **others})  # type: ignore[arg-type]


def _comparison(text: str, model: str = "a") -> Comparison:
    """Return a comparison with twenty lost queries of that text."""
    lost = [QueryChange(f"q{number}", text, 1.0, 0.5, 1, 2, "d0", text, "d9", text) for number in range(20)]
    return Comparison(
        model, "prod", "against", "retrieval", "medical", "mrr@10", "old", "new", 40, 20, 0, None, [], lost
    )


def _annotations(
    report: Report,
    settings: Settings,
    *,
    workspace: Path | None = None,
    faults: Sequence[str] = (),
    tests: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> list[tuple[str, dict[str, str], str]]:
    environ = ON_GITHUB | ({"GITHUB_WORKSPACE": str(workspace)} if workspace else {})
    return [_read(line) for line in annotation_lines(report, settings, environ, faults, tests)]


def _read(line: str) -> tuple[str, dict[str, str], str]:
    """Return kind, properties and message as GitHub's runner reads them (`ActionCommand.TryParseV2`)."""
    assert line.startswith("::")
    head, _, message = line[2:].partition("::")
    kind, _, given = head.partition(" ")
    properties = dict(pair.split("=", 1) for pair in given.split(",") if pair)
    return kind, {name: _unescaped(value, ":,") for name, value in properties.items()}, _unescaped(message)


def _unescaped(text: str, more: str = "") -> str:
    for character in f"\r\n{more}%":
        text = text.replace(f"%{ord(character):02X}", character)
    return text
