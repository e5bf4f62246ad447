"""The main job on real data: a user's three lines of TOML reproduce the published reference values within 0.01."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Model, file, MRR without cutoff, hit@1, hit@10: every question against every distinct context. Those of XQuAD, and of
# a third model, stand in test_upgrades.py, where the same runs are compared.
REFERENCE = {
    ("minilm-en", "tquad"): (0.2785, 0.1939, 0.4473),
    ("use-multilingual", "tquad"): (0.5649, 0.4249, 0.8374),
}

# The article's protocol, question against every answer string; its mean cosine of seven pairs: test_turkish.py.
ARTICLE = {
    ("minilm-en", "tquad-answers"): 0.0540,
    ("minilm-en", "xquad-answers"): 0.0261,
    ("use-multilingual", "tquad-answers"): 0.1048,
    ("use-multilingual", "xquad-answers"): 0.0967,
}
# Its silhouette of two k-means clusters, from the article's own lines of code run on the same answers.
SILHOUETTE = {
    ("minilm-en", "tquad-answers"): 0.1104,
    ("minilm-en", "xquad-answers"): 0.0878,
    ("use-multilingual", "tquad-answers"): 0.0519,
    ("use-multilingual", "xquad-answers"): 0.0382,
}


def configure(pytester: pytest.Pytester, shared_data: Path, names: str, extra: str = "") -> None:
    files = {"tquad": "tquad-dev.json", "xquad": "xquad.tr.json"}
    tables = [
        f'[datasets.{name}]\npath = "{shared_data / files[name.removesuffix("-answers")]}"\nformat = "squad"\n{extra}'
        for name in names.split()
    ]
    (pytester.path / "embedeval.toml").write_text("\n".join(['pictures = "off"', *tables]), encoding="utf-8")
    shutil.copytree(ROOT / "suites", pytester.path / "suites", ignore=shutil.ignore_patterns("__pycache__"))


def measured(pytester: pytest.Pytester) -> dict[tuple[str, str, str], float]:
    report = json.loads((pytester.path / ".embedeval" / "report.json").read_text(encoding="utf-8"))
    return {(row["model"], row["dataset"], row["metric"]): row["value"] for row in report["measurements"]}


def test_contexts(pytester: pytest.Pytester, shared_data: Path) -> None:
    configure(pytester, shared_data, "tquad")
    models = ",".join(model for model, _ in REFERENCE)
    result = pytester.runpytest_subprocess("suites/test_retrieval.py", "-k", "test_retrieval", f"--models={models}")
    assert result.ret == 0
    found = measured(pytester)
    for (model, dataset), (mrr, first, ten) in REFERENCE.items():
        assert found[model, dataset, "mrr"] == pytest.approx(mrr, abs=0.01)
        assert found[model, dataset, "recall@1"] == pytest.approx(first, abs=0.01)
        assert found[model, dataset, "hit_rate@10"] == pytest.approx(ten, abs=0.01)


def test_the_protocol_of_the_article(pytester: pytest.Pytester, shared_data: Path) -> None:
    configure(
        pytester,
        shared_data,
        "tquad-answers xquad-answers",
        'target = "answer"\nduplicates = "keep"\nlanguage = "tr"\n',
    )
    result = pytester.runpytest_subprocess(
        "suites/test_retrieval.py", "suites/test_clustering.py", "--models=minilm-en,use-multilingual"
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["tquad-answers (the article's protocol: every answer string is a document)"])
    found = measured(pytester)
    for (model, dataset), mrr in ARTICLE.items():
        assert found[model, dataset, "mrr"] == pytest.approx(mrr, abs=0.01)
        assert found[model, dataset, "silhouette.kmeans.article"] == pytest.approx(SILHOUETTE[model, dataset], abs=2e-3)
