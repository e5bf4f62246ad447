"""The data-set doctor: what the owner of a data set should know before any model is run on it.

It tells what a loader cannot see while it reads: near-equal documents, queries that are too easy or cannot be answered,
documents that nobody asks for, texts in another language, and how many documents a model would cut off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets.duplicates import folded
from pytest_embedeval.datasets.items import Item, ItemData
from pytest_embedeval.datasets.languages import is_known, is_same, languages_of, plain
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.datasets.words import WordData, WordItem
from pytest_embedeval.findings import Finding
from pytest_embedeval.keys import first_equal, repeats
from pytest_embedeval.languages import primary
from pytest_embedeval.models.catalogue import catalogue

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORDS_OF_A_QUESTION = 3  # one or two words are a search term, and that a term stands in its document is no fault
_MAJORITY = 0.8

# Characters per token of the passages of XQuAD, special tokens not counted. English vocabulary: the 30,522 word pieces
# of all-MiniLM-L6-v2 (4.87 and 2.42; TQuAD 2.39, the medical set 2.30). Multilingual: the 250,002 pieces of XLM-RoBERTa
# in multilingual-e5-small (4.34 and 4.20; TQuAD 4.01, the medical set 3.93). With these numbers the documents that
# would be cut at 128, 256, 384 and 512 tokens were told to within 4 of 240, 3 of 271 and 1 of 96.
_CHARACTERS_PER_TOKEN = {"english": {"en": 4.9, "tr": 2.4}, "multilingual": {"en": 4.3, "tr": 4.2}}
_SPECIAL_TOKENS = 2


def examine(data: RetrievalData | ItemData[Item]) -> tuple[Finding, ...]:
    """Return what is odd or worth knowing about the data, beyond what its loader has found (`data.findings`).

    Loads no model of the matrix; the language identifier takes about 0.6 s on its first use in a process.
    """
    found: Iterator[Finding] = iter(())
    if isinstance(data, RetrievalData):
        found = _of_retrieval(data)
    elif isinstance(data, WordData):
        found = _of_words(data)
    known = {finding.kind for finding in data.findings}
    # The loader has said why these have none.
    if "unanswered-questions" in known:
        known.add("queries-without-relevant")
    return tuple(finding for finding in found if finding.kind not in known)


def truncation(data: RetrievalData) -> Mapping[str, int]:
    """Estimate how many documents each model of the catalogue would cut off, from characters per token.

    Returns
    -------
    Alias -> documents longer than the model reads, for every model with a limit. Languages other than Turkish and
    English are counted as Turkish, the one that takes more tokens.
    """
    lengths = np.fromiter(map(len, data.documents), dtype=np.int64)
    cut = {}
    for alias, entry in catalogue().items():
        if entry.max_tokens is not None:
            tokens = estimated_tokens(lengths + len(entry.document_prompt), entry.languages, data.language)
            cut[alias] = int(np.count_nonzero(tokens > entry.max_tokens))
    return cut


def estimated_tokens(characters: NDArray[np.int64], languages: str, language: str | None = None) -> NDArray[np.float64]:
    """Estimate the tokens of texts.

    Parameters
    ----------
    characters
        Length of each text, int64 array [n].
    languages
        What the model was made for, as the catalogue says it: only `en` has a vocabulary without other languages.
    language
        BCP 47 code of the texts.
    """
    rates = _CHARACTERS_PER_TOKEN["english" if languages == "en" else "multilingual"]
    return characters / rates.get(primary(language), rates["tr"]) + _SPECIAL_TOKENS


def _of_retrieval(data: RetrievalData) -> Iterator[Finding]:
    judged = _Judged.of(data)
    yield from _dangling(data, judged)
    yield from _near_equal(data)
    yield from _without_counterpart(data, judged)
    yield from _word_for_word(data, judged)
    yield from _unjudged(data, judged)
    yield from _other_languages(data)
    yield from _lengths("query", "queries", data.queries)
    yield from _lengths("document", "documents", data.documents)


@dataclass(frozen=True)
class _Judged:
    """The judgements whose query and document exist, and how many name one that does not."""

    query: NDArray[np.int64]
    document: NDArray[np.int64]
    grade: NDArray[np.int64]
    without_query: int
    without_document: int

    @classmethod
    def of(cls, data: RetrievalData) -> _Judged:
        given = data.judgements
        query = (given.query >= 0) & (given.query < len(data.queries))
        document = (given.document >= 0) & (given.document < len(data.documents))
        both = query & document
        missing = int(np.count_nonzero(~query)), int(np.count_nonzero(~document))
        return cls(given.query[both], given.document[both], given.grade[both], *missing)

    def relevant(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self.query[self.grade > 0], self.document[self.grade > 0]


def _dangling(data: RetrievalData, judged: _Judged) -> Iterator[Finding]:
    for side, count, known in (
        ("document", judged.without_document, len(data.documents)),
        ("query", judged.without_query, len(data.queries)),
    ):
        if count:
            message = f"{count} of {len(data.judgements)} judgements name a {side} beyond the {known} that there are"
            yield Finding(f"judgements-without-{side}", count, message)


def _near_equal(data: RetrievalData) -> Iterator[Finding]:
    first = first_equal(plain(text, data.language) for text in data.documents)
    pairs = [
        (int(first[position]), position)
        for position in repeats(first).tolist()
        # Those equal to the letter were counted when they were loaded.
        if folded(data.documents[first[position]]) != folded(data.documents[position])
    ]
    if pairs:
        one, two = (data.document_ids[position] for position in pairs[0])
        message = (
            f"{len(pairs)} of {len(data.documents)} documents differ from another in case or punctuation only "
            f"(for example {one!r} and {two!r}); whoever finds the one instead of the other counts as wrong"
        )
        yield Finding("near-equal-documents", len(pairs), message)


def _without_counterpart(data: RetrievalData, judged: _Judged) -> Iterator[Finding]:
    queries, documents = judged.relevant()
    unanswered = np.setdiff1d(np.arange(len(data.queries)), queries)
    unasked = np.setdiff1d(np.arange(len(data.documents)), documents)
    if len(unanswered):
        message = (
            f"{_part(len(unanswered), len(data.queries))} queries have no relevant document and score zero "
            f"with every model ({_examples(data.query_ids, unanswered)})"
        )
        yield Finding("queries-without-relevant", len(unanswered), message)
    if len(unasked):
        message = (
            f"{_part(len(unasked), len(data.documents))} documents are relevant to no query; "
            "they only stand in the way of others"
        )
        yield Finding("documents-without-queries", len(unasked), message)


def _word_for_word(data: RetrievalData, judged: _Judged) -> Iterator[Finding]:
    easy: dict[int, None] = {}
    texts = [f" {plain(text, data.language)} " for text in data.queries]
    plain_text = cache(lambda document: f" {plain(data.documents[document], data.language)} ")
    for query, document in zip(*map(np.ndarray.tolist, judged.relevant()), strict=True):
        text = texts[query]
        if text.count(" ") > _WORDS_OF_A_QUESTION and text in plain_text(document):
            easy[query] = None
    if easy:
        message = (
            f"{_part(len(easy), len(data.queries))} queries stand word for word in a document relevant to them "
            f"({_examples(data.query_ids, easy)}); a model need not understand them to find it"
        )
        yield Finding("word-for-word-queries", len(easy), message)


def _unjudged(data: RetrievalData, judged: _Judged) -> Iterator[Finding]:
    pairs = len(data.queries) * len(data.documents)
    unjudged = pairs - len(judged.query)
    if unjudged:
        message = (
            f"{_percent(unjudged, pairs)} of all pairs of query and document are unjudged "
            f"({len(judged.query) / len(data.queries):,.1f} judged per query); "
            "a document that answers a query and is not judged counts as wrong"
        )
        yield Finding("unjudged-pairs", unjudged, message)


def _other_languages(data: RetrievalData) -> Iterator[Finding]:
    told = [
        ("queries", data.query_ids, languages_of(data.queries)),
        ("documents", data.document_ids, languages_of(data.documents)),
    ]
    if not any(found for _, _, found in told):
        return
    if data.language is None:
        yield _unset(Counter(code for _, _, found in told for code in found.values()))
    elif is_known(data.language):
        for side, ids, found in told:
            other = {position: code for position, code in found.items() if not is_same(code, data.language)}
            if other:
                codes = ", ".join(f"{code} {count}" for code, count in Counter(other.values()).most_common(3))
                message = (
                    f"{_part(len(other), len(found))} {side} long enough to tell are in another language than "
                    f"{data.language!r}: {codes} ({_examples(ids, other)})"
                )
                yield Finding(f"other-language-{side}", len(other), message)


def _unset(counts: Counter[str]) -> Finding:
    total = counts.total()
    code, count = counts.most_common(1)[0]
    if count < _MAJORITY * total:
        codes = ", ".join(f"{code} {count}" for code, count in counts.most_common(3))
        return Finding("several-languages", total, f"the {total} texts long enough to tell are in several: {codes}")
    message = (
        f"no language is set, and {_part(count, total)} texts long enough to tell are in {code!r}; "
        f'set language = "{code}": lower case and word stems depend on it'
    )
    return Finding("no-language", count, message)


def _lengths(side: str, plural: str, texts: Sequence[str]) -> Iterator[Finding]:
    if texts:
        words, characters = (
            # Lengths that occur, not numbers between two of them.
            [f"{length:,}" for length in np.percentile(sizes, (50, 95, 100), method="inverted_cdf")]
            for sizes in (np.fromiter(map(size, texts), dtype=np.int64) for size in (_words, len))
        )
        message = (
            f"{plural}: median {words[0]} words ({characters[0]} characters), "
            f"95 % up to {words[1]} ({characters[1]}), longest {words[2]} ({characters[2]})"
        )
        yield Finding(f"{side}-lengths", len(texts), message)


def _words(text: str) -> int:
    return len(text.split())


def _of_words(data: WordData) -> Iterator[Finding]:
    forms: dict[str, set[str]] = {}
    pairs = Counter((item.lemma, item.form) for item in data.items)
    for item in data.items:
        forms.setdefault(item.lemma, set()).add(item.form)
    for kind, ids, problem in (
        (
            "repeated-items",
            [item.id for item in data.items if pairs[item.lemma, item.form] > 1],
            "share lemma and form",
        ),
        ("equal-forms", [item.id for item in data.items if _is_equal(item, data.language)], "have the lemma as form"),
        (
            "related-distractors",
            [item.id for item in data.items if forms[item.lemma].intersection(item.distractors)],
            "have a distractor that another item gives as a form of the same lemma",
        ),
    ):
        if ids:
            message = f"{_part(len(ids), len(data.items))} items {problem} ({_examples(ids, range(len(ids)))})"
            yield Finding(kind, len(ids), message)


def _is_equal(item: WordItem, language: str | None) -> bool:
    return plain(item.lemma, language) == plain(item.form, language)


def _part(count: int, whole: int) -> str:
    return f"{count:,} of {whole:,}"


def _percent(count: int, whole: int) -> str:
    """Return a share that is shown as all of it, or as none, only where it is."""
    return "100 %" if count == whole else f"{min(max(100 * count / whole, 0.1), 99.9):.1f} %"


def _examples(ids: Sequence[str], positions: Collection[int] | NDArray[np.int64]) -> str:
    shown = [repr(ids[position]) for position, _ in zip(positions, range(3), strict=False)]
    return f"for example {', '.join(shown)}" if len(positions) > len(shown) else ", ".join(shown)
