"""What an asset reads for a result that may be kept: recorded by content, and closed before anything is computed."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import dagster as dg
import polars as pl
from pydantic import BaseModel

from mlops_assets.core.errors import IdentityError
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.identity.content import frame_digest, rows_digest, value_digest
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.identity.installed import installed_version
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import ProductSpec

LIBRARIES = "libraries"
"""Entry of an asset's metadata: the distributions that compute it."""
WORDS = frozenset({"name", "title", "description", "domain", "owners", "pii"})
"""Parts of the declaration, and keys in them, that name and describe; no result depends on them."""


class RecordedReads:
    """Reads for one result of one asset; `identity` ends the reading."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        tables: DeltaTables,
        product: Product,
        *,
        noun: str,
        libraries: Mapping[str, str] | None = None,
    ) -> None:
        """Begin to record.

        context, tables, product: of the asset. noun: its name. libraries: their versions where they are known already.
        """
        self._context, self._noun, self._unrecorded = context, noun, product
        self._tables = tables
        self._name = product.name
        self._subject = f"{product.name}/{noun}"
        key = dg.AssetKey([product.name, noun])
        self._code = str(context.assets_def.code_versions_by_key[key])
        used = context.assets_def.metadata_by_key[key][LIBRARIES].value
        self._libraries = used_libraries(used) if libraries is None else libraries
        self._read: dict[str, str] = {}
        self._declared: dict[str, str] = {}
        self._is_closed = False
        self.product = _recorded(product, self._declare)
        """The product; whatever is read of its declaration is recorded."""

    def another(self) -> "RecordedReads":
        """Return empty reads for another result of the same asset in this run."""
        return RecordedReads(
            self._context, self._tables, self._unrecorded, noun=self._noun, libraries=self._libraries
        )

    def table(
        self,
        noun: str,
        *,
        columns: Sequence[str] | None = None,
        days: DayRange | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """Read a table as `DeltaTables.read` does; its rows count, its version number does not.

        Raises: as `DeltaTables.read`, and IdentityError after `identity`.
        """
        frame = self._tables.read(self._name, noun, columns=columns, days=days, version=version)
        self._note(f"table {noun}", frame_digest(frame))
        return frame

    def rows(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Record rows whose order changes nothing, read in a way of their own, and return them.

        Raises: IdentityError after `identity`.
        """
        self._note(name, rows_digest(frame))
        return frame

    def value(self, name: str, value: object) -> None:
        """Record something that was read elsewhere: a model by its digest, the asset's own configuration.

        Raises: IdentityError after `identity`.
        """
        self._note(name, value_digest(value))

    def declared(self, *sections: str) -> None:
        """Record sections of the declaration that are read later, when the result is computed."""
        for section in sections:
            getattr(self.product.spec, section)

    def identity(self) -> Identity:
        """Return what the result is made from; nothing new may be read from now on."""
        self._is_closed = True
        return Identity(
            code=self._code,
            libraries=self._libraries,
            declared=dict(sorted(self._declared.items())),
            read=dict(sorted(self._read.items())),
        )

    def _note(self, name: str, digest: str) -> None:
        if self._is_closed:
            raise IdentityError(f"{self._subject} reads {name} after its identity was taken: read it before")
        known = self._read.setdefault(name, digest)
        if known != digest:
            raise IdentityError(f"{self._subject} reads {name} twice with other content: give it two names")

    def _declare(self, section: str, value: object) -> None:
        if section in self._declared or section in WORDS:
            return
        if self._is_closed:
            raise IdentityError(
                f"{self._subject} reads {section} of the declaration after its identity was taken: "
                f'name it in `declared("{section}")`'
            )
        self._declared[section] = declared_digest(value)


class _RecordedSpec:
    """Stands in for a ProductSpec; says which of its parts were read."""

    def __init__(self, spec: ProductSpec, record: Callable[[str, object], None]) -> None:
        self._spec = spec
        self._record = record

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._spec, name)
        self._record(name, value)
        return value


@dataclass(frozen=True)
class _RecordedProduct(Product):
    """A product whose view and baselines are recorded when they are read; its modules' code is part of the closure."""

    record: Callable[[str, object], None] = field(default=lambda _name, _value: None, kw_only=True)

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name in ("view", "baselines"):
            super().__getattribute__("record")(name, value)
        return value


def _recorded(product: Product, record: Callable[[str, object], None]) -> Product:
    return _RecordedProduct(
        spec=cast("ProductSpec", _RecordedSpec(product.spec, record)),
        folder=product.folder,
        event_schema=product.event_schema,
        readers=product.readers,
        sample=product.sample,
        view=product.view,
        baselines=product.baselines,
        record=record,
    )


def used_libraries(libraries: object) -> dict[str, str]:
    """Return name and version of the distributions, and Python's own minor version.

    Raises: IdentityError when what an asset's metadata says is no list of names.
    """
    if not isinstance(libraries, list):
        raise IdentityError(f"an asset's metadata says {libraries!r} where its libraries are listed")
    versions = {str(name): installed_version(str(name)) or "" for name in libraries}
    return {**versions, "python": ".".join(platform.python_version_tuple()[:2])}


def declared_digest(value: object) -> str:
    """Return the digest under which a part of the declaration is recorded."""
    if isinstance(value, FeatureView):
        return value.digest
    return value_digest(_plain(value))


def _plain(value: object) -> object:
    """Plain values in the place of models, without the words in them; others by their `repr`, which tells all."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if key not in WORDS - {"name"}}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
