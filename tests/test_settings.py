from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import platformdirs
import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.settings import SCENARIOS, DatasetTable, ModelTable, Rule, Scenario, Settings, load_settings
from tests.conftest import ROOT

# The configuration of design.md, but for its first two lines: TOML cannot hold a list `models` beside tables
# `models.NAME`, so the list is called `matrix` here, and `tolerance` has a test of its own.
DESIGN = """
[tool.embedeval]
matrix = ["use-multilingual", "minilm-en", "bm25"]

[tool.embedeval.models.prod]
source = "BAAI/bge-m3"
revision = "5617a9f61b028005a4858fdac845db406aefb181"
query_prompt = ""

[tool.embedeval.datasets.medical]
path = "fixtures/turkish_medical_qa.json"
format = "squad"
target = "context"

[tool.embedeval.gates."retrieval/medical"]
"mrr@10" = { min = 0.55, primary = true }

[tool.embedeval.gates."retrieval/medical".minilm-en]
"mrr@10" = { min = 0.1 }
"""


def read(root: Path, text: str, name: str = "embedeval.toml") -> Settings:
    (root / name).write_text(text, encoding="utf-8")
    return load_settings(root)


def refused(root: Path, text: str, name: str = "embedeval.toml") -> str:
    """Return the error's message, which must begin with the file."""
    with pytest.raises(UsageError) as caught:
        read(root, text, name)
    message = str(caught.value)
    start = f"{root / name}: "
    assert message.startswith(start)
    return message.removeprefix(start)


@pytest.mark.parametrize("text", [None, "[project]\nname = 'other'\n"], ids=["no file", "a project without our table"])
def test_without_a_configuration_there_are_defaults(tmp_path: Path, text: str | None) -> None:
    settings = load_settings(tmp_path) if text is None else read(tmp_path, text, "pyproject.toml")
    expected = Settings(root=tmp_path, out=tmp_path / ".embedeval", baseline=tmp_path / "baselines")
    assert replace(settings, cache=None) == expected
    assert settings.cache == platformdirs.user_cache_path("pytest-embedeval", appauthor=False)
    assert (settings.models, settings.device, settings.seed) == (None, "auto", 42)


def test_the_example_of_the_design_is_read(tmp_path: Path) -> None:
    settings = read(tmp_path, DESIGN, "pyproject.toml")
    assert settings.models == ("use-multilingual", "minilm-en", "bm25")
    assert settings.model_tables == {
        "prod": ModelTable("BAAI/bge-m3", revision="5617a9f61b028005a4858fdac845db406aefb181", query_prompt="")
    }
    medical = str(tmp_path / "fixtures" / "turkish_medical_qa.json")
    assert settings.datasets == {"medical": DatasetTable(medical, "squad", target="context")}
    gate = settings.gates["retrieval/medical"]
    assert gate.for_model("prod") == {"mrr@10": Rule(min=0.55, primary=True)}
    assert gate.for_model("minilm-en") == {"mrr@10": Rule(min=0.1)}


def test_the_own_file_holds_the_same_tables_without_a_prefix(tmp_path: Path) -> None:
    shared = read(tmp_path, DESIGN, "pyproject.toml")
    own = read(tmp_path, DESIGN.replace("[tool.embedeval]\n", "").replace("tool.embedeval.", ""))
    assert own == shared


def test_the_own_file_wins_over_pyproject(tmp_path: Path) -> None:
    (tmp_path / "embedeval.toml").write_text("seed = 7")
    settings = read(tmp_path, "[tool.embedeval]\nseed = 8\ndevice = 'cpu'", "pyproject.toml")
    expected = Settings(root=tmp_path, seed=7, out=tmp_path / ".embedeval", baseline=tmp_path / "baselines")
    assert replace(settings, cache=None) == expected


def test_the_configuration_of_this_project_names_files_that_exist() -> None:
    settings = load_settings(ROOT)
    assert settings.datasets
    assert [name for name, table in settings.datasets.items() if not Path(table.path).exists()] == []


def test_paths_are_relative_to_the_file_and_not_to_where_pytest_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(tmp_path)
    settings = read(root, "out = 'results'\n[datasets.d]\npath = 'd.json'\nformat = 'squad'")
    assert settings.out == root / "results"
    assert settings.datasets["d"].path == str(root / "d.json")


@pytest.mark.parametrize(
    ("value", "folder"),
    [("kept/here", "{root}/kept/here"), ("~/kept", "{home}/kept"), ("/kept", "/kept"), ("off", None)],
)
def test_the_cache_is_a_folder_relative_to_the_file_or_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, folder: str | None
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir("/")
    expected = None if folder is None else Path(folder.format(root=tmp_path, home=home))
    assert read(tmp_path, f"cache = '{value}'").cache == expected


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("1KiB", 1024),
        ("512MB", 512 * 1024**2),
        ("1.5 g", 3 * 1024**3 // 2),
        ("2TiB", 2 * 1024**4),
        ("4096", 4096),
        (" 7b ", 7),
    ],
)
def test_memory_is_a_size_in_powers_of_1024(tmp_path: Path, value: str, size: int) -> None:
    assert read(tmp_path, f"memory = '{value}'").memory == size


@pytest.mark.parametrize("value", ["lots", "", "0", "0.4", "-1GiB", "1e9", "4 GiB RAM", "4GG", "1\u212aB", "9" * 400])
def test_memory_that_is_no_size_is_refused(tmp_path: Path, value: str) -> None:
    message = refused(tmp_path, f"memory = '{value}'")
    assert message == f"memory: must be a size such as 4GiB or 512MiB, not {value!r}"
    message = refused(tmp_path, f"[models.m]\nsource = 'bge-m3'\nmemory = '{value}'")
    assert message == f"models.m.memory: must be a size such as 4GiB or 512MiB, not {value!r}"


def test_a_plain_list_of_models_is_the_matrix(tmp_path: Path) -> None:
    assert read(tmp_path, "models = ['bm25', 'old=bge-m3']").models == ("bm25", "old=bge-m3")


def test_all_keys_of_the_tables_are_read(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        device = "cpu"
        [models.m]
        source = "./m"
        document_prompt = "passage: "
        dim = 256
        precision = "float16"
        backend = "torch"
        device = "mps"
        devices = ["cuda:0", "cuda:1"]
        num_gpus = 2
        memory = "1.5GiB"
        batch_size = 4
        [datasets.d]
        path = "/data/d.json"
        format = "squad"
        language = "tr"
        duplicates = "keep"
        no_relevant = "zero"
        [gates."clustering/d"]
        "silhouette.kmeans" = { min = 0, max = 1 }
        """,
    )
    assert settings.device == "cpu"
    assert settings.model_tables["m"] == ModelTable(
        str(tmp_path / "m"),
        document_prompt="passage: ",
        dim=256,
        precision="float16",
        backend="torch",
        device="mps",
        devices=("cuda:0", "cuda:1"),
        num_gpus=2,
        memory=1536 * 2**20,
        batch_size=4,
    )
    assert settings.datasets["d"] == DatasetTable(
        "/data/d.json", "squad", language="tr", duplicates="keep", no_relevant="zero"
    )
    assert settings.gates["clustering/d"].for_model("m") == {"silhouette.kmeans": Rule(min=0, max=1)}


def test_scenarios_of_the_user_stand_in_place_of_ours(tmp_path: Path) -> None:
    assert read(tmp_path, "").scenarios == SCENARIOS
    given = "[scenarios.night]\ntitle = 'batch at night'\nweights = { retrieval = 2, throughput = 1 }\ntexts_per_s = 20"
    (scenario,) = read(tmp_path, given).scenarios.values()
    assert scenario == Scenario("batch at night", {"retrieval": 2, "throughput": 1}, texts_per_s=20)
    assert read(tmp_path, "[scenarios.s]\nweights = { latency = 1 }").scenarios["s"].title == "s"


def test_the_keys_that_a_format_knows_are_named(tmp_path: Path) -> None:
    message = refused(tmp_path, DATASET + "format = 'beir'\ntarget = 'context'")
    assert message.endswith(", split, duplicates, no_relevant")


def test_the_keys_of_each_format_are_read(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [datasets.b]
        path = "b"
        format = "beir"
        split = "dev"
        [datasets.t]
        path = "t"
        format = "trec"
        corpus = "docs.tsv"
        topics = "topics.301-350"
        qrels = "qrels.txt"
        [datasets.w]
        path = "w"
        format = "wands"
        fields = ["product_name", "product_description"]
        queries = "query_tr.csv"
        sample = 10000
        seed = 0
        [datasets.j]
        path = "j.jsonl"
        format = "jsonl"
        query = "anchor"
        document = "positive"
        grade = "stars"
        """,
    )
    assert settings.datasets == {
        "b": DatasetTable(str(tmp_path / "b"), "beir", split="dev"),
        "t": DatasetTable(str(tmp_path / "t"), "trec", corpus="docs.tsv", topics="topics.301-350", qrels="qrels.txt"),
        "w": DatasetTable(
            str(tmp_path / "w"),
            "wands",
            fields=("product_name", "product_description"),
            queries="query_tr.csv",
            sample=10000,
            seed=0,
        ),
        "j": DatasetTable(str(tmp_path / "j.jsonl"), "jsonl", query="anchor", document="positive", grade="stars"),
    }


@pytest.mark.parametrize(("format", "expected"), [("squad", "error"), ("wands", "skip")])
def test_queries_without_a_relevant_document_are_an_error_but_in_wands(format: str, expected: str) -> None:
    assert DatasetTable("d", format).no_relevant == expected
    assert DatasetTable("d", format, no_relevant="zero").no_relevant == "zero"


def test_a_data_set_of_the_hub_is_an_id_unless_a_folder_has_that_name(tmp_path: Path) -> None:
    text = "[datasets.d]\npath = 'org/name'\nformat = 'hub'\nrevision = 'abc'"
    assert read(tmp_path, text).datasets["d"] == DatasetTable("org/name", "hub", revision="abc")
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert read(tmp_path, text).datasets["d"].path == str(tmp_path / "org" / "name")


def test_the_rules_of_one_model_leave_the_common_rules_of_other_metrics(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [gates."retrieval/d"]
        "mrr@10" = { min = 0.5 }
        "recall@1" = { min = 0.4 }
        [gates."retrieval/d".small]
        "mrr@10" = { max = 0.3 }
        """,
    )
    assert settings.gates["retrieval/d"].for_model("small") == {"mrr@10": Rule(max=0.3), "recall@1": Rule(min=0.4)}


@pytest.mark.parametrize(
    ("text", "place", "nearest"),
    [
        ("sed = 1", "sed", "seed"),
        ("[dataset.d]\npath = 'd'", "dataset", "datasets"),
        ("[models.m]\nsource = 'bm25'\nquery_promt = ''", "models.m.query_promt", "query_prompt"),
        ("[datasets.d]\npath = 'd'\nformat = 'squad'\nlang = 'tr'", "datasets.d.lang", "language"),
        ("[gates.'retrieval/d']\n'mrr@10' = { mini = 0.5 }", "gates.retrieval/d.mrr@10.mini", "min"),
        ("[gates.'retrieval/d'.m]\n'mrr@10' = { mx = 0.5 }", "gates.retrieval/d.m.mrr@10.mx", "max"),
    ],
    ids=["setting", "table", "model", "dataset", "rule", "rule of one model"],
)
def test_an_unknown_key_names_the_nearest_known_key(tmp_path: Path, text: str, place: str, nearest: str) -> None:
    assert refused(tmp_path, text).startswith(f"{place}: unknown key; did you mean '{nearest}'?")


def test_an_unknown_key_in_pyproject_is_named_as_it_stands_there(tmp_path: Path) -> None:
    message = refused(tmp_path, "[tool.embedeval]\nsed = 1", "pyproject.toml")
    assert message.startswith("tool.embedeval.sed: unknown key; did you mean 'seed'?")


RETRIEVAL = "[gates.'retrieval/d']\n"
SCENARIO = "[scenarios.s]\n"
DATASET = "[datasets.d]\npath = 'd.json'\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 1.5", "seed: must be "),
        ("seed = true", "seed: must be "),
        ("out = 1", "out: must be "),
        ("device = 'gpu'", "device: must be one of auto, cpu, cuda, mps, not 'gpu'"),
        ("models = ['bm25', 1]", "models: must be a list of entries such as [\"bge-m3\"], not ['bm25', 1]"),
        ("matrix = 'bm25'", "matrix: must be a list of entries such as [\"bge-m3\"], not 'bm25'"),
        ("models = ['bm25']\nmatrix = ['bm25']", "models: is a list, and so is matrix; keep one of them"),
        ("[models]\nm = 'bge-m3'", "models.m: must be a table, not 'bge-m3'"),
        ("[models.m]\ndim = 4", 'models.m: needs source = "…"'),
        ("[models.m]\nsource = 'x'\ndim = '4'", "models.m.dim: must be "),
        ("[models.m]\nsource = 'x'\nrevision = 5617", "models.m.revision: must be "),
        ("[models.m]\nsource = 'x'\ndevices = 'cuda'", "models.m.devices: must be of type list, not 'cuda'"),
        (
            "[models.m]\nsource = 'x'\ndevices = [0]",
            'models.m.devices: must be a list of names such as ["cuda:0"], not [0]',
        ),
        ("cache = true", "cache: must be of type str, not True"),
        ("cache = ''", "cache: must be a folder, or off for none"),
        ("memory = 4096", "memory: must be of type str, not 4096"),
        ("datasets = []", "datasets: must be a table, not []"),
        ("[datasets.d]\nformat = 'squad'", 'datasets.d: needs path = "…"'),
        (DATASET, "datasets.d.format: must be one of squad, beir, trec, wands, jsonl, csv, hub, morphology, "),
        (
            DATASET + "format = 'xml'",
            "datasets.d.format: must be one of squad, beir, trec, wands, jsonl, csv, hub, morphology, ",
        ),
        (
            DATASET + "format = 'beir'\ntarget = 'context'",
            'datasets.d.target: format = "beir" has no such key; it knows path, format, language, slices, clusters, ',
        ),
        (
            DATASET + "format = 'morphology'\nno_relevant = 'skip'",
            'datasets.d.no_relevant: format = "morphology" has no',
        ),
        (
            DATASET + "format = 'squad'\nlanguage = 'tr'\nparallel = 'en.json'",
            "datasets.d.parallel: needs language and parallel_language, such as tr and en",
        ),
        (
            DATASET + "format = 'squad'\nparallel = 'en.json'\nparallel_language = 'en'",
            "datasets.d.parallel: needs language and parallel_language, such as tr and en",
        ),
        (
            DATASET + "format = 'similarity'\nvariants = 'typed.tsv'",
            'datasets.d.variants: format = "similarity" has no such key; it knows path, format, language, slices',
        ),
        (DATASET + "format = 'wands'\nsample = 0", "datasets.d.sample: must be at least 1, and is 0"),
        (DATASET + "format = 'wands'\nsample = 1.5", "datasets.d.sample: must be of type int, not 1.5"),
        (DATASET + "format = 'wands'\nseed = -1", "datasets.d.seed: must be from 0 to 4294967295, and is -1"),
        (DATASET + "format = 'wands'\nseed = 4294967296", "datasets.d.seed: must be from 0 to 4294967295, and is 4"),
        (
            DATASET + "format = 'wands'\nfields = [1]",
            'datasets.d.fields: must be a list of names such as ["product_name"], not [1]',
        ),
        (
            DATASET + "format = 'squad'\ntarget = 'title'",
            "datasets.d.target: must be one of context, answer, not 'title'",
        ),
        (
            DATASET + "format = 'squad'\nduplicates = 'drop'",
            "datasets.d.duplicates: must be one of merge, keep, error, not 'drop'",
        ),
        (
            DATASET + "format = 'squad'\nno_relevant = 'one'",
            "datasets.d.no_relevant: must be one of error, zero, skip, not 'one'",
        ),
        ("[gates.medical]", 'gates.medical: a gate is named "suite/dataset", for example "retrieval/medical"'),
        (RETRIEVAL + "'mrr@10' = 0.5", "gates.retrieval/d.mrr@10: must be a table, not 0.5"),
        (RETRIEVAL + "'mrr@10' = {}", "gates.retrieval/d.mrr@10: needs min, max, tolerance or primary = true"),
        (RETRIEVAL + "'mrr@10' = { primary = false }", "gates.retrieval/d.mrr@10: needs min, max, tolerance or "),
        (RETRIEVAL + "'mrr@10' = { tolerance = 0 }", "gates.retrieval/d.mrr@10.tolerance: must lie between 0 and 1"),
        (RETRIEVAL + "'mrr@10' = { min = 0.3, max = 0.1 }", "gates.retrieval/d.mrr@10: min 0.3 is above max 0.1"),
        ("tolerance = 1.0", "tolerance: must lie between 0 and 1, for example 0.02, not 1"),
        ("policy = 'lenient'", "policy: must be one of observed, strict, proven, not 'lenient'"),
        ("min_queries = 1", "min_queries: must be at least 2, and is 1"),
        ("engine = 'spark'", "engine: must be local, ray, or ray://HOST:PORT, not 'spark'"),
        ("github = 'on'", "github: must be one of auto, off, not 'on'"),
        ("pictures = 'never'", "pictures: must be one of auto, off, not 'never'"),
        ("documents = 1000", "documents: must be of type list, not 1000"),
        ("documents = [1000, 0]", "documents: must be a list of sizes such as [50_000], not [1000, 0]"),
        ("documents = [true]", "documents: must be a list of sizes such as [50_000], not [True]"),
        ("machine_price = '1 $'", "machine_price: must be of type float, not '1 $'"),
        ("machine_price = -1", "machine_price: must be US dollars for an hour, such as 0.40, not -1"),
        ("[scenarios.s]", "scenarios.s: needs weights, for example { retrieval = 0.7, latency = 0.3 }"),
        (
            SCENARIO + "weights = { retreival = 1 }",
            "scenarios.s.weights.retreival: unknown key; did you mean 'retrieval'",
        ),
        (SCENARIO + "weights = { latency = 0 }", "scenarios.s.weights.latency: must be a number above 0, not 0"),
        (SCENARIO + "weights = { latency = nan }", "scenarios.s.weights.latency: must be a number above 0, not nan"),
        (SCENARIO + "weights = { latency = 1 }\nlatency_ms = -5", "scenarios.s.latency_ms: must be a number above 0"),
        (SCENARIO + "latency = 50", "scenarios.s.latency: unknown key; did you mean 'latency_ms'?"),
        (DATASET + "slices = 'title'", "datasets.d.slices: must be "),
        (DATASET + "slices = [1]", "datasets.d.slices: must be a list of names"),
        (RETRIEVAL + "'mrr@10' = { min = '0.5' }", "gates.retrieval/d.mrr@10.min: must be "),
        (RETRIEVAL + "'mrr@10' = { min = true }", "gates.retrieval/d.mrr@10.min: must be "),
        (RETRIEVAL + "'mrr@10' = { min = 0.5, primary = 1 }", "gates.retrieval/d.mrr@10.primary: must be "),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert refused(tmp_path, text).startswith(message)


def test_files_beside_the_data_stand_below_the_root_and_a_package_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "embedeval.toml").write_text(
        "[datasets.d]\npath = 'd.json'\nformat = 'squad'\nlanguage = 'tr'\nvariants = 'typed.tsv'\n"
        "parallel = 'en.json'\nparallel_language = 'en'\n"
        "[datasets.bench]\npath = 'turkmorfbench'\nformat = 'turkmorfbench'\n"
    )
    tables = load_settings(tmp_path).datasets
    found = tables["d"]
    assert [found.path, found.variants, found.parallel] == [
        str(tmp_path / name) for name in ("d.json", "typed.tsv", "en.json")
    ]
    assert tables["bench"].path == "turkmorfbench"
    assert [tables[name].argument for name in ("d", "bench")] == ["dataset", "words"]


def test_malformed_toml_names_file_and_line(tmp_path: Path) -> None:
    message = refused(tmp_path, "seed = 1\nseed = = 2")
    assert message.startswith("not valid TOML: ")
    assert "line 2" in message


def test_a_file_in_another_encoding_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "embedeval.toml").write_bytes("out = 'çıktı'".encode("iso8859-9"))
    with pytest.raises(UsageError, match=r"embedeval\.toml: not valid TOML"):
        load_settings(tmp_path)


@pytest.mark.parametrize("text", ["[tool]\nembedeval = 3", "tool = 3"])
def test_a_configuration_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text, "pyproject.toml")


def test_a_bound_that_is_no_finite_number_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, RETRIEVAL + "'mrr@10' = { min = nan }")


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "seed = -1")


def test_one_model_without_brackets_is_told_to_be_a_list(tmp_path: Path) -> None:
    assert "list" in refused(tmp_path, "models = 'bm25'")
