"""What every embedding model must do before a score of it means anything."""

from __future__ import annotations

import unicodedata
import warnings

import numpy as np
import pytest

from pytest_embedeval.vectors import check_vectors, encode

pytestmark = pytest.mark.needs_vectors

TEXTS = [
    "Tansiyonum neden yükseliyor?",
    "Yüksek tansiyon çoğu zaman belirti vermez.",
    "Çocuğum öksürüyor, geceleri nefesi hırıltılı.",
    "İstanbul'da hava bugün açık ve rüzgârlı.",
    "ağrı",
    "The weather is fine today.",
    "Demir eksikliği anemisinde halsizlik, çarpıntı ve solukluk görülür; tanı kan sayımı ve ferritin ile konur. " * 4,
    "Kemik erimesi",
]
NEARLY_EQUAL = 1e-4


@pytest.mark.parametrize("role", ["query", "document"])
def test_vectors_are_finite_and_of_the_declared_dimension(model, role):
    vectors = _raw(model, TEXTS, role)
    check_vectors(vectors, TEXTS, dimension=model.info.dimension, model=model.alias)


@pytest.mark.parametrize("role", ["query", "document"])
def test_normalised_vectors_have_unit_length(model, role):
    assert np.linalg.norm(encode(model, TEXTS, role), axis=1) == pytest.approx(1.0, abs=1e-5)


def test_same_text_gives_same_vector(model):
    first, second = encode(model, TEXTS, "document"), encode(model, TEXTS, "document")
    assert np.abs(first - second).max() <= NEARLY_EQUAL


def test_order_changes_nothing(model):
    backwards = encode(model, TEXTS[::-1], "document")[::-1]
    assert np.abs(encode(model, TEXTS, "document") - backwards).max() <= NEARLY_EQUAL


def test_batch_composition_changes_nothing(model):
    alone = np.vstack([encode(model, [text], "document") for text in TEXTS])
    assert np.abs(encode(model, TEXTS, "document") - alone).max() <= NEARLY_EQUAL


def test_different_texts_get_different_vectors(model):
    """A model whose vectors have collapsed gives every pair the same cosine."""
    vectors = encode(model, TEXTS, "document")
    cosines = (vectors @ vectors.T)[np.triu_indices(len(TEXTS), k=1)]
    assert cosines.max() < 1 - 1e-5, "two different texts have the same vector"
    assert np.ptp(cosines) > 1e-3, "all pairs of texts are equally similar"


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "🙂 👩‍⚕️ 🫀", "şğüöçıİ" * 3, "kalp " * 3000],
    ids=["empty", "space", "letter", "emoji", "turkish", "very long"],
)
def test_unusual_text_is_encoded(model, text):
    vectors = _raw(model, [text], "document")
    assert vectors.shape == (1, model.info.dimension)
    assert np.isfinite(vectors).all()


def test_composed_and_decomposed_letters(model):
    """`ğ` may arrive as one code point or as two. A model that sees two different texts should be given NFC."""
    composed = [unicodedata.normalize("NFC", text) for text in TEXTS[:5]]
    decomposed = [unicodedata.normalize("NFD", text) for text in TEXTS[:5]]
    cosines = (encode(model, composed, "query") * encode(model, decomposed, "query")).sum(axis=1)
    if cosines.min() < 1 - NEARLY_EQUAL:
        with warnings.catch_warnings():
            warnings.simplefilter("always")  # reported, never a failure
            warnings.warn(
                f"{model.alias}: NFC and NFD of one text have a cosine of {cosines.min():.3f}; give it NFC",
                stacklevel=1,
            )


def _raw(model, texts, role):
    return model.encode_queries(texts) if role == "query" else model.encode_documents(texts)
