"""What a user's own tests do with the fixtures."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tests.plugin.conftest import configure, read_report

_DESIGN = '''
def test_support_articles(model, retrieval, gate):
    """Run once per model of the matrix."""
    gate(retrieval(model, "support"))            # thresholds and baseline decide


def test_by_hand(model, retrieval):
    assert retrieval(model, "support")["mrr@10"] >= {bound}
'''


@pytest.mark.parametrize(("bound", "failed"), [(0.2, 0), (0.9, 2)], ids=["reached", "missed"])
def test_the_tests_of_the_design_work(project: pytest.Pytester, bound: float, failed: int) -> None:
    configure(project, '[datasets.support]\npath = "medical.json"\nformat = "squad"\n')
    project.makepyfile(test_own=_DESIGN.format(bound=bound))
    result = project.runpytest_inprocess("test_own.py", "--models=letters,blind")
    result.assert_outcomes(passed=4 - failed, failed=failed)


@pytest.mark.parametrize(
    ("call", "metric"),
    [
        ("retrieval(model, 'medical')", "ndcg@10"),
        ("triplets(model, 'medical')", "triplet.accuracy"),
        ("clustering(model, 'medical')", "v_measure"),
        ("morphology(model, 'forms')", "morphology.auc"),
    ],
    ids=["retrieval", "triplets", "clustering", "morphology"],
)
def test_a_score_in_a_test_is_the_one_in_the_report(project: pytest.Pytester, call: str, metric: str) -> None:
    project.makepyfile(
        test_own=f"""
        def test_score(model, retrieval, triplets, clustering, morphology):
            score = {call}["{metric}"]
            assert score.model == "letters"
            print("found", repr(float(score)))
        """
    )
    result = project.runpytest_inprocess("test_own.py", "--models=letters", "-s")
    (row,) = (row for row in read_report(project)["measurements"] if row["metric"] == metric)
    assert f"found {row['value']!r}" in result.stdout.str()
    assert 0.3 < row["value"] <= 1


def test_a_data_set_may_be_given_instead_of_its_name(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        def test_same(model, retrieval, dataset):
            by_data = retrieval(model, dataset, metrics=["mrr@10"])
            assert by_data["mrr@10"] == retrieval(model, dataset.name)["mrr@10"]
            assert set(by_data.measured) == {"mrr@10", "encode_s"}
        """
    )
    project.runpytest_inprocess("test_own.py", "--models=letters").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "retrieval(model, 'medicla')",
            "unknown data set 'medicla'; did you mean 'medical'? Known: forms, lost, medical",
        ),
        (
            "retrieval(model, 'medical', metrics=['mrr@-1'])",
            "metric 'mrr@-1': the cutoff must be a whole number of at least 1, not '-1'",
        ),
        ("retrieval(model, 'medical', metrics=['recall'])", "metric 'recall' needs a cutoff, for example recall@10"),
        ("retrieval(model, 'medical', metrics=['mmr@10'])", "unknown metric 'mmr@10'; *Known: *, mrr@k, *"),
        ("retrieval(model, 'lost')", "*lost.json: no such file"),
    ],
    ids=["data set", "negative cutoff", "no cutoff", "metric", "file"],
)
def test_a_mistake_in_a_call_is_one_clear_line(project: pytest.Pytester, call: str, message: str) -> None:
    configure(project, '[datasets.lost]\npath = "lost.json"\nformat = "squad"\n')
    project.makepyfile(test_own=f"def test_call(model, retrieval):\n    {call}")
    result = project.runpytest_inprocess("test_own.py", "--models=letters")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message.replace("[", "[[]")])
    result.stdout.no_fnmatch_line("*def test_call*")


# A model that knows nothing finds each of n documents at any place with the same chance.
_CHANCE: dict[str, Callable[[int], float]] = {
    "mrr@10": lambda n: sum(1 / rank for rank in range(1, 11)) / n,
    "mrr": lambda n: sum(1 / rank for rank in range(1, n + 1)) / n,
    "map@100": lambda n: sum(1 / rank for rank in range(1, n + 1)) / n,
    "ndcg@10": lambda n: sum(1 / math.log2(rank + 1) for rank in range(1, 11)) / n,
    "precision@10": lambda n: 1 / n,
    "judged@10": lambda n: 1 / n,
    "recall@1": lambda n: 1 / n,
    "recall@3": lambda n: 3 / n,
    "recall@5": lambda n: 5 / n,
    "recall@10": lambda n: 10 / n,
    "hit_rate@10": lambda n: 10 / n,
    "triplet.accuracy": lambda _: 0.5,
    "silhouette.label": lambda _: 0.0,
    "morphology.auc": lambda _: 0.5,
}


def test_an_encoder_that_knows_nothing_scores_about_chance(project: pytest.Pytester) -> None:
    suites = [f"suites/test_{name}.py" for name in ("retrieval", "clustering", "morphology")]
    project.runpytest_inprocess(*suites, "--models=blind").assert_outcomes(passed=4)
    report = read_report(project)
    n = next(row["documents"] for row in report["datasets"] if row["name"] == "medical")
    found = {row["metric"]: row["value"] for row in report["measurements"]}
    assert n >= 10
    assert {metric: found[metric] for metric in _CHANCE} == pytest.approx(
        {metric: chance(n) for metric, chance in _CHANCE.items()}, abs=0.15
    )


@pytest.fixture
def collapsed(project: pytest.Pytester) -> pytest.Pytester:
    """A project whose only encoder gives all texts one vector."""
    project.makeconftest(
        """
        from tests.conftest import constant


        def pytest_embedeval_models(config):
            return {"constant": constant}
        """
    )
    return project


def test_an_encoder_that_gives_all_texts_one_vector_gets_no_score(collapsed: pytest.Pytester) -> None:
    suites = [f"suites/test_{name}.py" for name in ("retrieval", "clustering", "morphology")]
    result = collapsed.runpytest_inprocess(*suites)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines_random(
        [
            "*model 'constant' gives one and the same vector to all 12 texts, '*' and '*' among them: look at *",
            "*model 'constant' gives one and the same vector to all * texts, 'geliyorum' and 'gidecek' among them: *",
        ]
    )
    report = read_report(collapsed)
    assert [row["alias"] for row in report["models"]] == ["constant"]
    assert report["measurements"] == []


def test_an_encoder_that_gives_all_texts_one_vector_fails_the_contract(collapsed: pytest.Pytester) -> None:
    result = collapsed.runpytest_inprocess("suites/test_contract.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["E * two different texts have the same vector"])


def test_an_encoder_that_returns_nan_fails_naming_the_text(project: pytest.Pytester) -> None:
    tests = "suites/test_contract.py", "suites/test_retrieval.py"
    result = project.runpytest_inprocess(
        *tests, "--models=holed,letters", "-k", "finite or retrieval and not negatives"
    )
    result.assert_outcomes(failed=3, passed=3, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines_random(
        [
            "*VectorError: model 'holed' returned NaN or infinity for the text 'ağrı'",
            "model 'holed' returned NaN or infinity for the text '*ağrı*' (and 4 more)",
        ]
    )
    assert {row["model"] for row in read_report(project)["measurements"]} == {"letters"}


@pytest.mark.parametrize(
    "definition",
    [
        "@pytest.fixture\ndef {name}(): return 'bm25'",
        "@pytest.fixture(params=['bm25'])\ndef {name}(request): return request.param",
        "pytestmark = pytest.mark.parametrize('{name}', ['bm25'])",
        "pytestmark = pytest.mark.parametrize(argnames='{name}, other', argvalues=[('bm25', 1)])\n"
        "@pytest.fixture\ndef other(): ...",
    ],
    ids=["fixture", "fixture with params", "parametrize", "parametrize by keyword"],
)
@pytest.mark.parametrize("name", ["model", "dataset", "words"])
def test_a_name_of_the_users_own_is_left_alone(project: pytest.Pytester, name: str, definition: str) -> None:
    argument = f"{name}, other" if "other" in definition else name
    project.makepyfile(
        test_own=f"import pytest\n{definition.format(name=name)}\n"
        f"@pytest.mark.needs_vectors\ndef test_it({argument}): assert {name} == 'bm25'"
    )
    result = project.runpytest_inprocess("test_own.py")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("embedeval*")
    assert not (project.path / ".embedeval").exists()


def test_parametrize_may_choose_from_the_matrix(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        import pytest


        @pytest.mark.parametrize("model", ["letters"], indirect=True)
        def test_one(model):
            assert model.alias == "letters"
        """
    )
    project.runpytest_inprocess("test_own.py", "--models=blind,letters").assert_outcomes(passed=1)


def test_a_fixture_of_the_user_may_extend_ours(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        import pytest


        @pytest.fixture
        def model(model):
            assert model.info.dimension
            return model


        def test_extended(model, retrieval):
            assert retrieval(model, "medical").model == model.alias
        """
    )
    result = project.runpytest_inprocess("test_own.py", "--models=letters,blind", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_extended[[]letters]*", "*test_extended[[]blind]*"])


def test_an_encoder_of_the_users_own_fixture_is_judged(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        import pytest

        from tests.conftest import letters


        @pytest.fixture
        def model():
            return letters


        def test_own_encoder(model, retrieval):
            assert retrieval(model, "medical")["mrr@10"] > 0.3
        """
    )
    project.runpytest_inprocess("test_own.py").assert_outcomes(passed=1)
