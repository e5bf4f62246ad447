"""The models of one run: each loaded once, with its vectors, and let go before the next."""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_embedeval.cluster import ClusterError
from pytest_embedeval.errors import EmbedevalError, ModelLoadError

if TYPE_CHECKING:
    from pytest_embedeval.cluster import Cluster
    from pytest_embedeval.models import Encoder, Model, ModelInfo, ModelSpec
    from pytest_embedeval.plugin.state import Session
    from pytest_embedeval.retrieval.retriever import Retriever
    from pytest_embedeval.vectors import Encoded, Store


class Loading:
    """Loads models for a session.

    Attributes
    ----------
    infos
        Alias -> what stands in the report, of every model that was asked for.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._failures: dict[str, EmbedevalError] = {}
        self._encoded: dict[str, Encoded] = {}
        self.infos: dict[str, ModelInfo] = {}

    def load(self, alias: str) -> Model:
        """Load a model of the matrix; one that failed is not tried again.

        Raises
        ------
        EmbedevalError
            It could not be loaded.
        """
        if alias in self._failures:
            raise self._failures[alias]
        from pytest_embedeval.models import failed

        _forget_last_failure()
        spec = next(spec for spec in self._session.specs if spec.alias == alias)
        try:
            model = self._load(spec)
        except EmbedevalError as error:
            self._failures[alias] = error
            self._add_models(failed(spec, error))
            raise
        self._add_models(model.info)
        self._encoded[alias] = self._fresh(model)
        return model

    def release(self, alias: str) -> None:
        """Drop a model with its vectors."""
        if alias in self._encoded:
            encoded = self._encoded.pop(alias)
            self._add_loss(encoded.model)
            encoded.close()
            self._add_usage(encoded.model)

    def encoded(self, model: Model | Encoder | Retriever) -> Encoded:
        """Return the vectors kept for a model; new ones for a model or an encoder that is not of the matrix.

        Raises
        ------
        EmbedevalError
            Its copies on a cluster are lost, or a `conftest.py` gave something that is no model.
        """
        from pytest_embedeval.models import Model, load_model
        from pytest_embedeval.retrieval.retriever import RetrieverModel, is_retriever

        kept = self._encoded.get(model.alias) if isinstance(model, Model) else None
        if kept is not None and kept.model is model:
            if kept.model.nodes is not None:
                kept.model.nodes.check()
            return kept
        if is_retriever(model):
            model = RetrieverModel(model)
        loaded = model if isinstance(model, Model) else load_model(model)
        self._add_models(loaded.info)
        return self._fresh(loaded)

    def add_what_is_left(self) -> None:
        """Record what became of models that are still loaded: an interrupted run does not release them."""
        for encoded in self._encoded.values():
            self._add_loss(encoded.model)
            self._add_usage(encoded.model)

    def close(self) -> None:
        """Close the files of the store, and leave the cluster."""
        if "_store" in self.__dict__ and self._store is not None:
            self._store.close()
        if "_cluster" in self.__dict__ and self._cluster is not None:
            self._cluster.close()

    def _fresh(self, model: Model) -> Encoded:
        from pytest_embedeval.memory import default_bound
        from pytest_embedeval.plugin.progress import progress_for
        from pytest_embedeval.vectors import Encoded

        memory = self._session.settings.memory or default_bound()
        store = self._store if model.is_kept else None  # bm25 alone, say, opens none
        progress = progress_for(self._session.config)
        cluster = self._cluster if model.has_vectors else None
        return Encoded(model, progress, store=store, memory=memory, cluster=cluster)

    @cached_property
    def _cluster(self) -> Cluster | None:
        """Where texts are encoded and vectors searched; None for this machine."""
        from pytest_embedeval.cluster import LOCAL, Cluster

        engine = self._session.settings.engine
        return None if engine == LOCAL else Cluster(engine, self._warn)

    @cached_property
    def _store(self) -> Store | None:
        """Where vectors are kept between runs."""
        from pytest_embedeval.vectors import Store

        return Store(self._session.settings.cache, self._warn) if self._session.settings.cache else None

    def _warn(self, message: str) -> None:
        from pytest_embedeval.report import Part

        self._session.record(Part(warnings=[message]))

    def _load(self, spec: ModelSpec) -> Model:
        from pytest_embedeval.models import Model, load_model
        from pytest_embedeval.retrieval.retriever import as_model

        try:
            own = self._session.config.hook.pytest_embedeval_load_model(spec=spec)
        except EmbedevalError:
            raise
        except Exception as error:  # a conftest may fail in any way; its model then has a row that says so
            hook = "pytest_embedeval_load_model"
            raise ModelLoadError(f"model {spec.alias!r}: {hook}: {type(error).__name__}: {error}") from error
        if isinstance(own, Model):
            return own
        engine = as_model(spec, self._session.encoders.get(spec.source) if own is None else own)
        if engine is not None:
            return engine
        if own is not None:
            return load_model(spec, encoders={**self._session.encoders, spec.source: own})
        cache = self._session.settings.cache
        cluster = None if spec.is_lexical or spec.is_run else self._cluster
        return load_model(spec, encoders=self._session.encoders, cache=cache, cluster=cluster)

    def _add_loss(self, model: Model) -> None:
        """Give a model whose copies on a cluster are lost the row of one that failed; it is not loaded again."""
        lost = model.nodes.lost if model.nodes is not None else None
        if lost is not None:
            self._failures[model.alias] = ClusterError(lost)
            self._add_models(replace(model.info, error=lost))

    def _add_usage(self, model: Model) -> None:
        for each in filter(None, (model, model.second)):
            used = each.remote.usage.take() if each.remote is not None else None
            if used is not None and used.requests:
                from pytest_embedeval.report.schema import Part, UsageRow

                self._session.record(Part(usage=[UsageRow.of(each.alias, used)]))

    def _add_models(self, info: ModelInfo) -> None:
        from pytest_embedeval.report import Part

        self.infos[info.alias] = info
        self._session.record(Part(models=[info]))


def _forget_last_failure() -> None:
    """Free the frames that the last failure keeps alive, an encoder's own and so its weights among them.

    pytest forgets the failure when the next test starts; the next model is loaded just before that.
    """
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    gc.collect()  # an exception and the frames of its traceback hold each other
