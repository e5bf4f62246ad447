"""`report.html`: what it says, that nothing foreign is markup, and that a real browser shows and filters it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import time
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.gate import Excerpts, Measurement, Result, Verdict
from pytest_embedeval.gate.results import JudgedData, JudgedModel, KeptMetric, KeptQuery
from pytest_embedeval.gate.verdicts import RuleName, State
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report import Kept, Part, Report, SpeedRow, VectorsRow, assemble
from pytest_embedeval.report.charts import Picture, pictures, vega_script
from pytest_embedeval.report.decision import decide
from pytest_embedeval.report.page import page_of
from pytest_embedeval.report.page.render import script_data
from pytest_embedeval.report.page.upgrade import upgrades
from pytest_embedeval.report.page.verdicts import sentences
from pytest_embedeval.report.schema import IndexRow
from pytest_embedeval.settings import Scenario
from tests.report import test_charts
from tests.report.test_gather import RUN
from tests.report.test_languages import dataset

PLACE = "retrieval/tıp"
EVIL = "<script>alert(1)</script>"


def result(ranks: list[int], queries: list[str], depth: int = 10) -> Result:
    """Return a search that finds the document of query i at the given rank, 0 for not at all."""
    kept = {}
    for place, (identity, rank) in enumerate(zip(queries, ranks, strict=True)):
        top = [f"d{(place + step) % len(queries)}" for step in range(1, depth + 1)]
        if rank:
            top[rank - 1] = f"d{place}"
        kept[identity] = KeptQuery(scores=[round(1 / rank, 6) if rank else 0.0], top=top)
    mean = sum(query.scores[0] or 0.0 for query in kept.values()) / len(kept)
    return Result(
        model=JudgedModel(source="x"),
        dataset=JudgedData(fingerprint="sha256:0"),
        metrics={"mrr@10": KeptMetric(value=round(mean, 6), n=len(kept))},
        columns=["mrr@10"],
        queries=kept,
    )


TEXTS = ["ağrı kesici", EVIL, "دواء الصداع", "💊🫀 ilaç", "böbrek taşı", *(f"soru {n}" for n in range(15))]
IDS = [f"q{n:05}" for n in range(len(TEXTS))]


def kept(ranks: dict[str, list[int]], texts: list[str] = TEXTS, words: int = 8) -> Kept:
    ids = [f"q{n:05}" for n in range(len(texts))]
    documents = {f"d{n}": f"{EVIL} belge {n} " + "uzun " * words for n in range(len(texts))}
    relevant = {identity: [f"d{n}"] for n, identity in enumerate(ids)}
    excerpts = Excerpts("tıp", dict(zip(ids, texts, strict=True)), documents, relevant)
    return Kept({(alias, PLACE): result(each, ids) for alias, each in ranks.items()}, None, {"tıp": excerpts})


def verdict(model: str, state: State, rule: RuleName = "against", **more: Any) -> Verdict:
    numbers = {"delta": -0.2, "low": -0.3, "high": -0.1, "change": "regressed" if state == "fail" else "non-inferior"}
    return Verdict(
        model,
        "retrieval",
        "tıp",
        "mrr@10",
        rule,
        0.4,
        0.6,
        state,
        f"{EVIL} fell",
        **{**numbers, **more},
    )


def report(*verdicts: Verdict, aliases: tuple[str, ...] = ("prod", "next")) -> Report:
    models = [ModelInfo(alias, "x", dimension=384, bytes_per_vector=1536) for alias in aliases]
    models.append(ModelInfo("gone", "x", error=f"no such file {EVIL}"))
    rows = [Measurement(alias, "retrieval", "tıp", "mrr@10", 0.5, 20, 0.4, 0.6) for alias in aliases]
    speed = [
        SpeedRow(model=alias, task="encode", texts_per_s=rate, rounds=3)
        for alias, rate in zip(aliases, (100.0, 50.0), strict=False)
    ]
    part = Part(models=models, datasets=[dataset("tıp", "tr")], measurements=rows, verdicts=list(verdicts), speed=speed)
    return assemble(RUN, [part], [*aliases, "gone"])


STILL = Picture("<svg></svg>", b"", json.dumps({"title": EVIL}))
RANKS = {"prod": [1] * 20, "next": [1, 0, 2, 0, 1, *[1] * 15]}
PAGE = page_of(report(verdict("next", "fail", reference="prod")), kept(RANKS), {"typed-tıp": STILL})


def test_each_model_has_one_sentence() -> None:
    judged = report(verdict("next", "fail"), verdict("prod", "pass", change="improved"))
    assert {row.alias: (row.outcome, row.text) for row in sentences(judged)} == {
        "prod": ("passes", "passes 1 rule; improved mrr@10 of retrieval/tıp"),
        "next": ("fails", "fails on mrr@10 of retrieval/tıp"),
        "gone": ("fails", "could not be loaded"),
    }
    unsure = sentences(report(verdict("next", "inconclusive"), verdict("next", "fail", "baseline", advisory=True)))
    assert (unsure[1].outcome, unsure[1].text) == ("unsure", "passes; 1 of 1 rule inconclusive")
    assert unsure[0].outcome == "measured"


def test_an_upgrade_is_told_in_quality_speed_size_and_time() -> None:
    judged = report(verdict("next", "fail", reference="prod"))
    judged.run = judged.run.model_copy(update={"settings": {"documents": [5_000], "machine_price": 0.72}})
    (card,) = upgrades(judged)
    assert (card.model, card.reference) == ("next", "prod")
    assert card.quality == [("mrr@10, retrieval/tıp", "0.600", "0.400", "−0.200 [−0.300, −0.100] REGRESSED")]
    costs = {row[0]: row[1:] for row in card.costs}
    assert costs["texts per second"] == ("100", "50", "× 0.50")
    assert costs["bytes per vector"] == ("1,536", "1,536", "× 1.00")
    assert costs["5,000 documents: encode once"][1] == "100.0 seconds, $0.02"
    assert costs["10,000,000 documents: encode once"][1] == "2.3 days, $40.00"
    assert costs["1,000,000 documents: vectors"][:2] == ("1.4 GiB", "1.4 GiB")
    assert "3 documents: encode once" in costs, "the corpus of this run"
    assert "At 50 texts per second" in card.note
    assert "0.72 US dollars an hour" in card.note


def test_an_upgrade_is_paid_by_tokens_where_there_is_a_price_and_an_index_takes_its_own_room() -> None:
    judged = report(verdict("next", "fail", reference="prod"))
    judged.models = [replace(row, price=2.0, device="api") for row in judged.models]
    numbers: dict[str, Any] = {"encoded": 3, "reused": 0, "seconds": 1.0, "spent": 1.0}
    row = VectorsRow(model="next", suite="retrieval", dataset="tıp", role="document", texts=3, tokens=150, **numbers)
    judged.vectors = [row]
    found: dict[str, Any] = {"recall": 1.0, "low": 0.9, "high": 1.0, "n": 20}
    found |= {"build_s": 1.0, "p50_ms": 1.0, "exact_p50_ms": 1.0}
    judged.indexes = [
        IndexRow(model="next", suite="retrieval", dataset="tıp", index="HNSW32", documents=4, bytes=8_192, **found)
    ]
    (card,) = upgrades(judged)
    costs = {row[0]: row[1:] for row in card.costs}
    assert costs["1,000,000 documents: encode once"][1] == "5.6 hours, $100.00"
    assert costs["1,000,000 documents: index HNSW32"][:2] == ("–", "1.9 GiB")
    assert "50 tokens each" in card.note


def test_what_data_and_errors_say_is_no_markup() -> None:
    assert EVIL not in PAGE
    assert "&lt;script&gt;alert(1)&lt;/script&gt; fell" in PAGE
    assert PAGE.count("<script>") == 1
    assert PAGE.count('<script type="application/json"') == 2


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "\u2028", "a & b", "'\"\\"])
def test_data_of_a_script_is_read_back_and_ends_nothing(text: str) -> None:
    data = script_data([text])
    assert json.loads(data) == [text]
    assert not set(data) & {"<", ">", "&", "\u2028"}


def test_the_file_asks_no_network() -> None:
    assert "default-src 'none'" in PAGE
    assert set(re.findall(r"""(?:src|href)=["']?([^"'>]*)""", PAGE)) == {"#queries"}
    assert "http" not in PAGE.replace("http-equiv", "")


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--dump-dom"),
)
_DRIVE = """
<pre id="result"></pre><script>
const choose = (id, value) => {{
  const part = document.getElementById(id);
  part.value = value;
  part.dispatchEvent(new Event(id === "search" ? "input" : "change"));
}};
const shown = () => [...document.querySelectorAll(".rows .text")].map((row) => row.textContent);
const charts = () => document.querySelectorAll("figure.drawn .live svg").length;
const count = () => document.getElementById("count").textContent;
(async () => {{ {steps} }})().then((found) => {{
  document.getElementById("result").textContent = JSON.stringify(found);
}});
</script></body>"""


PATIENT = "--virtual-time-budget=30000"  # waits for what the page does later; clocks then stand still in between


def drive(tmp_path: Path, page: str, steps: str, *flags: str) -> Any:
    """Open a page in Chromium, take the steps, and return what they return; an error of the page fails the test."""
    path = tmp_path / "report.html"
    before, _, after = page.rpartition("</body>")
    path.write_text(before + _DRIVE.format(steps=steps) + after, encoding="utf-8")
    assert CHROMIUM is not None
    command = [CHROMIUM, *_FLAGS, *flags, f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert found is not None
    return json.loads(html.unescape(found[1]))


@needs_browser
def test_a_browser_lists_the_queries_and_filters_them(tmp_path: Path) -> None:
    found = drive(
        tmp_path,
        PAGE,
        """
        const seen = {start: [count(), shown()[0]]};
        choose("kind", "lost"); seen.lost = [count(), shown()];
        choose("kind", "won"); seen.won = count();
        choose("kind", "wrong"); seen.wrong = count();
        choose("kind", "all"); choose("search", "BÖBREK"); seen.search = shown();
        choose("search", "");
        choose("reference", "1"); choose("candidate", "0"); choose("kind", "won"); seen.swapped = count();
        return seen;
        """,
    )
    assert found["start"] == ["20 of 20 queries", EVIL]
    assert found["lost"] == ["3 of 20 queries", [EVIL, "💊🫀 ilaç", "دواء الصداع"]]
    assert found["won"] == "0 of 20 queries"
    assert found["wrong"] == "0 of 20 queries"
    assert found["search"] == ["böbrek taşı"]
    assert found["swapped"] == "3 of 20 queries"


@needs_browser
def test_a_query_opens_by_key_and_shows_both_lists_as_text(tmp_path: Path) -> None:
    found = drive(
        tmp_path,
        PAGE,
        """
        const rows = document.getElementById("rows");
        const press = (key) => rows.dispatchEvent(new KeyboardEvent("keydown", {key}));
        press("ArrowDown"); press("Enter");
        return {
          titles: [...document.querySelectorAll(".detail h3")].map((title) => title.textContent),
          items: document.querySelectorAll(".detail li").length,
          gold: document.querySelectorAll(".detail .gold").length,
          first: document.querySelector(".detail .gold").textContent,
          scripts: document.querySelectorAll(".detail script").length,
        };
        """,
    )
    assert found["titles"] == ["prod, rank 1", "next, rank –"]
    assert (found["items"], found["gold"], found["scripts"]) == (20, 1, 0)
    assert found["first"].startswith(f"d1 · relevant{EVIL} belge 1 uzun")


@needs_browser
def test_queries_are_put_in_order_and_results_have_scores_and_grades(tmp_path: Path) -> None:
    rows = kept(RANKS)
    graded = {identity: [2] for identity in IDS}
    given = {alias: {identity: [0.9 - 0.05 * n for n in range(10)] for identity in IDS} for alias in RANKS}
    texts = {"tıp": replace(rows.texts["tıp"], grades=graded, found=given)}
    found = drive(
        tmp_path,
        page_of(report(), replace(rows, texts=texts), {}),
        """
        const seen = {};
        choose("order", "text"); seen.text = shown()[0];
        choose("order", "after"); seen.after = shown().slice(-3);
        choose("order", "before"); seen.before = shown()[0];
        document.querySelector(".rows .row").click();
        seen.first = document.querySelector(".detail .gold .id").textContent;
        seen.other = document.querySelector(".detail li:not(.gold) .id").textContent;
        return seen;
        """,
    )
    assert found["text"] == EVIL
    assert found["after"][:2] != ["ağrı kesici", EVIL]
    assert found["before"] == "ağrı kesici"
    assert found["first"] == "d0 · 0.9 · relevant · grade 2"
    assert re.fullmatch(r"d\d+ · 0\.85", found["other"])


@needs_browser
def test_a_browser_makes_every_chart_without_a_request(tmp_path: Path) -> None:
    drawn = pictures(test_charts.report(), scale=1.0)
    page = page_of(test_charts.report(), kept(RANKS), drawn, vega_script())
    assert "unsafe-eval" not in page
    found = drive(
        tmp_path,
        page,
        """
        await window.drawn;
        const all = (selector) => document.querySelectorAll(selector).length;
        return {
          figures: all("figure.chart"), drawn: all("figure.drawn .live svg"), hidden: all("figure.drawn .still svg"),
          marks: [...document.querySelectorAll(".live svg")].map((svg) => svg.querySelectorAll("path").length),
          requests: performance.getEntriesByType("resource").map((entry) => entry.name), scripts: all(".live script"),
        };
        """,
        PATIENT,
    )
    assert found["figures"] == found["drawn"] == len(drawn)
    assert min(found["marks"]) > 3
    assert found["requests"] == []
    assert found["scripts"] == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(theme: str) -> None:
    style = (files("pytest_embedeval.report.page") / "page.css").read_text(encoding="utf-8")
    found = re.findall(r"--(\w+): (#[0-9a-f]{6})", style)
    half = len(found) // 2
    colours = dict(found[:half] if theme == "light" else found[half:])
    for ground in ("ground", "raised"):
        for text in ("text", "quiet", "accent", "good", "bad", "unsure"):
            one, other = sorted((_luminance(colours[ground]), _luminance(colours[text])))
            assert (other + 0.05) / (one + 0.05) >= 4.5, (text, ground)


def _luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_guide_shows_its_weights_and_its_reason() -> None:
    judged = report(verdict("next", "fail", reference="prod"))
    judged.decisions = decide(judged, kept(RANKS).results, {"mine": Scenario(EVIL, {"retrieval": 2, "latency": 1})})
    page = page_of(judged, kept(RANKS), {})
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: prod" in page
    assert "mine: 100 % retrieval (mrr@10); not measured: latency" in page
    assert "prod has 0.500 and is the only model that passes" in page


def test_the_run_can_be_repeated_from_the_page() -> None:
    judged = report()
    judged.run = judged.run.model_copy(update={"command": "pytest suites/ -k 'a < b'"})
    assert "<code>pytest suites/ -k &#39;a &lt; b&#39;</code>" in page_of(judged, kept(RANKS), {})


@needs_browser
def test_ten_thousand_queries_of_four_models_stay_small_and_quick(tmp_path: Path) -> None:
    number = 10_000
    texts = [f"soru {n} baş ağrısı neden olur" for n in range(number)]
    ranks = {alias: [(n * step) % 11 for n in range(number)] for alias, step in zip("abcd", (1, 3, 7, 9), strict=True)}
    rows = kept(ranks, texts, words=40)
    began = time.process_time()
    page = page_of(report(aliases=("a", "b", "c", "d")), rows, {})
    assert time.process_time() - began < 5
    assert len(page.encode()) < 15_000_000
    found = drive(
        tmp_path,
        page,
        """
        const times = [];
        for (const [id, value] of [["kind", "lost"], ["search", "soru 77"], ["search", ""], ["kind", "won"]]) {
          const began = performance.now();
          choose(id, value); document.getElementById("rows").getBoundingClientRect();
          times.push(performance.now() - began);
        }
        return {times, rows: shown().length, count: count()};
        """,
    )
    assert found["rows"] < 40, "only what can be seen is in the page"
    assert found["count"].endswith(" of 10,000 queries")
    assert sorted(found["times"])[1] < 100, "milliseconds; one of four may have had to wait for the machine"
