"""Baselines are brought up to date: what is written, what is said, and what two runs at once leave."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pytest_embedeval.errors import BaselineError
from pytest_embedeval.gate import Baseline, Judge, Result, Update, baseline_path, load_baseline
from pytest_embedeval.report.baselines import update_baselines
from pytest_embedeval.settings import Gate, Rule, Settings
from tests.conftest import ROOT
from tests.gate.test_results import kept

PLACE = "retrieval/medical"
LOW, HALF, HIGH = (kept({"mrr@10": [value] * 2}) for value in (0.25, 0.5, 1.0))
REWRITE, ONLY_NEW, ACCEPT = Update(rewrite=True), Update(only_new=True), Update(rewrite=True, accept_worse=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "baselines"


def update(
    folder: Path,
    results: dict[tuple[str, str], Result],
    how: Update = REWRITE,
    unused: dict[str, list[str]] | None = None,
    gates: dict[str, Gate] | None = None,
) -> list[str]:
    settings = Settings(root=folder.parent, baseline=folder, gates=gates or {})
    return update_baselines(folder, results, unused or {}, Judge(settings, how))


def stored(folder: Path, alias: str = "prod") -> dict[str, Result]:
    return load_baseline(baseline_path(folder, alias)).results


@pytest.mark.parametrize("how", [REWRITE, ONLY_NEW], ids=["update", "update-new"])
def test_missing_baselines_are_stored(folder: Path, how: Update) -> None:
    lines = update(folder, {("prod", PLACE): HALF, ("next", PLACE): HIGH}, how)
    assert lines == [
        f"stored      next {PLACE}: mrr@10 1.0000",
        f"stored      prod {PLACE}: mrr@10 0.5000",
        f"baselines: {folder}",
    ]
    assert (stored(folder), stored(folder, "next")) == ({PLACE: HALF}, {PLACE: HIGH})
    assert sorted(path.name for path in folder.iterdir()) == ["next.json", "prod.json"]


def test_better_scores_are_written_and_shown_old_to_new(folder: Path) -> None:
    update(folder, {("prod", PLACE): HALF})
    assert update(folder, {("prod", PLACE): HIGH})[0] == f"updated     prod {PLACE}: mrr@10 0.5000 → 1.0000"
    assert stored(folder) == {PLACE: HIGH}


def test_worse_scores_stay_out_until_they_are_accepted(folder: Path) -> None:
    update(folder, {("prod", PLACE): HALF, ("prod", "retrieval/b"): HALF})
    worse = {("prod", PLACE): LOW, ("prod", "retrieval/b"): HIGH}
    assert update(folder, worse)[:2] == [
        f"not written prod {PLACE}: mrr@10 0.5000 → 0.2500; it fell: --embedeval-accept-worse writes it",
        "updated     prod retrieval/b: mrr@10 0.5000 → 1.0000",
    ]
    assert stored(folder) == {PLACE: HALF, "retrieval/b": HIGH}
    assert update(folder, worse, ACCEPT)[0] == f"updated     prod {PLACE}: mrr@10 0.5000 → 0.2500"
    assert stored(folder)[PLACE] == LOW


def test_stored_ones_stay_where_only_new_ones_are_asked_for(folder: Path) -> None:
    update(folder, {("prod", PLACE): HALF})
    lines = update(folder, {("prod", PLACE): HIGH, ("prod", "retrieval/new"): LOW}, ONLY_NEW)
    assert lines == ["stored      prod retrieval/new: mrr@10 0.2500", f"baselines: {folder}"]
    assert stored(folder) == {PLACE: HALF, "retrieval/new": LOW}


def test_the_rules_of_the_gate_say_what_is_worse(folder: Path) -> None:
    before = kept({"mrr@10": [0.5], "recall@10": [1.0]})
    after = kept({"mrr@10": [1.0], "recall@10": [0.0]})
    update(folder, {("prod", PLACE): before, ("next", PLACE): before})
    gates = {PLACE: Gate({}, {"prod": {"recall@10": Rule(primary=True)}})}
    lines = update(folder, {("prod", PLACE): after, ("next", PLACE): after}, gates=gates)
    assert [line.partition(":")[0] for line in lines[:2]] == [f"updated     next {PLACE}", f"not written prod {PLACE}"]


def test_a_file_is_left_alone_where_nothing_changed(folder: Path) -> None:
    update(folder, {("prod", PLACE): HALF})
    path = baseline_path(folder, "prod")
    os.utime(path, (1, 1))
    assert update(folder, {("prod", PLACE): HALF})[0] == f"unchanged   prod {PLACE}: mrr@10 0.5000 → 0.5000"
    assert path.stat().st_mtime == 1


def test_the_same_scores_of_another_model_are_stored_with_its_name(folder: Path) -> None:
    update(folder, {("prod", PLACE): HALF})
    update(folder, {("prod", PLACE): kept({"mrr@10": [0.5] * 2}, model="org/next")})
    assert stored(folder)[PLACE].model.source == "org/next"


def test_unused_entries_are_removed_and_others_stay(folder: Path) -> None:
    update(folder, {("prod", PLACE): HALF, ("prod", "retrieval/old"): HALF, ("gone", PLACE): HALF})
    lines = update(folder, {("prod", PLACE): HALF}, unused={"prod": ["retrieval/old"], "gone": [PLACE]})
    assert [line for line in lines if line.startswith("removed")] == [
        f"removed     gone {PLACE}",
        "removed     prod retrieval/old",
    ]
    assert stored(folder) == {PLACE: HALF}
    assert not baseline_path(folder, "gone").exists()


def test_models_that_did_not_run_keep_their_baselines(folder: Path) -> None:
    update(folder, {("other", PLACE): HALF, ("prod", "retrieval/a"): HALF})
    text = baseline_path(folder, "other").read_text(encoding="utf-8")
    update(folder, {("prod", "retrieval/b"): HALF})
    assert baseline_path(folder, "other").read_text(encoding="utf-8") == text
    assert stored(folder) == {"retrieval/a": HALF, "retrieval/b": HALF}


def test_what_another_run_stored_meanwhile_is_kept(folder: Path) -> None:
    """The judge has read the baseline at the beginning of its run."""
    update(folder, {("prod", PLACE): HALF})
    judge = Judge(Settings(root=folder.parent, baseline=folder), REWRITE)
    assert judge.baseline("prod") is not None
    update(folder, {("prod", "retrieval/meanwhile"): HALF})
    update_baselines(folder, {("prod", PLACE): HIGH}, {}, judge)
    assert stored(folder) == {PLACE: HIGH, "retrieval/meanwhile": HALF}


_UPDATER = """
import sys, time
from pathlib import Path
from pytest_embedeval.gate import Judge, Update, merged
from pytest_embedeval.report import baselines
from pytest_embedeval.settings import Settings
from tests.gate.test_results import kept

def slowly(*sides):
    time.sleep(0.02)
    return merged(*sides)

baselines.merged = slowly  # between reading and writing
folder, name = Path(sys.argv[1]), sys.argv[2]
judge = Judge(Settings(root=folder.parent, baseline=folder), Update(rewrite=True))
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    baselines.update_baselines(folder, {("prod", f"retrieval/{name}{number}"): kept({"mrr@10": [0.5] * 20})}, {}, judge)
"""


def test_two_runs_at_once_lose_nothing(folder: Path) -> None:
    """Each stores eight data sets of its own, one after the other, in the file of one alias."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _UPDATER, str(folder), name],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert sorted(stored(folder)) == sorted(f"retrieval/{name}{number}" for name in "ab" for number in range(8))
    assert [path.name for path in folder.iterdir()] == ["prod.json"]


@pytest.mark.parametrize(
    "damage", ["{", '{"schema_version": 2, "alias": "prod"}', ""], ids=["truncated", "newer", "empty"]
)
@pytest.mark.parametrize("how", [REWRITE, ACCEPT, ONLY_NEW], ids=["update", "accept-worse", "update-new"])
def test_a_damaged_file_is_never_overwritten_nor_any_other(folder: Path, how: Update, damage: str) -> None:
    update(folder, {("next", PLACE): HALF, ("prod", PLACE): HALF})
    path = baseline_path(folder, "prod")
    path.write_text(damage, encoding="utf-8")
    with pytest.raises(BaselineError, match=r"prod\.json: "):
        update(folder, {("next", PLACE): HIGH, ("prod", PLACE): HIGH}, how)
    assert path.read_text(encoding="utf-8") == damage
    assert stored(folder, "next") == {PLACE: HALF}


_READ_ONLY = """
import os
from pathlib import Path
from pytest_embedeval.gate import Judge, Update
from pytest_embedeval.report.baselines import update_baselines
from pytest_embedeval.settings import Settings
from tests.gate.test_results import kept

if os.getuid() == 0:  # to whom every folder is open
    os.setuid(65534)
results, judge = {("prod", "retrieval/a"): kept({"mrr@10": [0.5]})}, Judge(Settings(Path()), Update(rewrite=True))
update_baselines(Path("open"), results, {}, judge)
try:
    update_baselines(Path("closed"), results, {}, judge)
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders are not made read-only by their mode here")
def test_a_read_only_folder_is_an_os_error() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder, mode in ((root, 0o755), (root / "open", 0o777), (root / "closed", 0o555)):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        process = subprocess.run(
            [sys.executable, "-c", _READ_ONLY],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.stdout == "PermissionError\n", process.stderr
        assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["closed", "open", "open/prod.json"]


def test_a_file_in_place_of_the_folder_is_an_os_error(folder: Path) -> None:
    folder.write_text("not a folder", encoding="utf-8")
    with pytest.raises(OSError, match="baselines"):
        update(folder, {("prod", PLACE): HALF})


def test_a_run_that_fails_in_the_middle_leaves_whole_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update(folder, {("a", PLACE): HALF, ("b", PLACE): HALF})
    calls: list[int] = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        update(folder, {("a", PLACE): HIGH, ("b", PLACE): HIGH})
    assert (stored(folder, "a"), stored(folder, "b")) == ({PLACE: HIGH}, {PLACE: HALF})
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "b.json"]


def test_what_is_written_is_what_a_run_is_judged_by(folder: Path) -> None:
    update(folder, {("prod", PLACE): kept({"mrr@10": [1 / 3] * 200})})
    judge = Judge(Settings(root=folder.parent, baseline=folder), Update())
    ((verdict,), _) = judge.by_baseline("prod", PLACE, kept({"mrr@10": [1 / 3] * 200}))
    assert (verdict.state, verdict.differ) == ("pass", 0)
    text = baseline_path(folder, "prod").read_text(encoding="utf-8")
    assert Baseline(alias="prod", results={PLACE: kept({"mrr@10": [1 / 3] * 200})}).text() == text


def test_a_change_of_data_is_said(folder: Path) -> None:
    update(folder, {("prod", PLACE): HIGH})
    moved = replace_data(LOW)
    (line, _) = update(folder, {("prod", PLACE): moved})
    assert line.startswith(f"updated     prod {PLACE}: mrr@10 1.0000 → 0.2500 (the data has changed: sha256:new now, ")
    assert stored(folder) == {PLACE: moved}


def replace_data(result: Result) -> Result:
    return result.model_copy(update={"dataset": result.dataset.model_copy(update={"fingerprint": "sha256:new"})})
