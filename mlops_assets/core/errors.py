"""Every error that the platform raises on purpose, as one small tree.

PlatformError
├── ConfigurationError          environment variable or setting
│   └── ProductSpecError        a product folder that cannot be read
├── SourceError                 raw data missing or unreadable
├── ContractError               data that breaks its contract
│   └── SchemaDriftError        a new, missing or retyped column
├── FeatureError                a feature view or its input is wrong
├── TableError                  a lakehouse table
│   └── TableNotFoundError      nothing was written there yet
├── TrainingError               nothing can be learned from these rows
├── EvaluationError             rows or scores that cannot be judged
├── RegistryError               the registry, or an alias or version in it
│   └── ReleaseRefusedError     a gate, an approval or a smoke test stands in the way
├── PackagingError              a bento that does not build or does not answer right
├── ServingError                a request that cannot be served as asked
│   ├── InvalidEventError       the request's fault: names the field; answered with 4xx
│   │   └── KnownEventError     another event has this id; answered with 409
│   ├── OversizedRequestError   the request needs more than is set aside for one; answered with 413
│   └── OnlineStoreError        the online store does not answer, is full, or is not of this format
├── MonitoringError             a report that these rows cannot carry
├── AlertError                  an alert that cannot be kept, or a sink that is declared wrong
└── IdentityError               what made a result cannot be said

A message says what failed, where (product, asset, column, rows, an example) and what to do.
"""


class PlatformError(Exception):
    """Base of all errors that the platform raises on purpose."""


class ConfigurationError(PlatformError):
    """An environment variable or setting is missing or wrong."""


class ProductSpecError(ConfigurationError):
    """A product folder's declaration is wrong; names the file and, for YAML, the line."""


class SourceError(PlatformError):
    """Raw data is missing or unreadable."""


class ContractError(PlatformError):
    """Data breaks its contract."""


class SchemaDriftError(ContractError):
    """The source's columns or types differ from the contract; the message shows the difference."""


class FeatureError(PlatformError):
    """A feature view, or a frame that is handed to it, is wrong."""


class TableError(PlatformError):
    """A lakehouse table cannot be read or written as asked."""


class TableNotFoundError(TableError):
    """The table, or the asked partitions of it, were never written."""


class TrainingError(PlatformError):
    """Nothing can be learned from these rows, for example because only one class is present."""


class EvaluationError(PlatformError):
    """Rows or scores cannot be judged, for example a score outside [0, 1] or test rows of one class only."""


class RegistryError(PlatformError):
    """The model registry, or a version or alias in it, is not as asked."""


class RegistryGoneError(RegistryError):
    """There was a registry, and it is there no more."""


class ReleaseRefusedError(RegistryError):
    """A gate, a missing approval or a failed smoke test stands in the way of a release."""


class PackagingError(PlatformError):
    """A bento did not build, did not start, or did not answer its golden request with the offline score."""


class ServingError(PlatformError):
    """A request, or what serving it needs, is not as it must be."""


class InvalidEventError(ServingError):
    """An event cannot be scored as it was sent; `field` names what is wrong, `event` its place in the request."""

    def __init__(self, message: str, *, field: str | None = None, event: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.event = event


class KnownEventError(InvalidEventError):
    """An event with this id and other content was served before."""


class OversizedRequestError(ServingError):
    """A request needs more memory than is set aside for one: it is to be sent in parts."""


class OnlineStoreError(ServingError):
    """The online store does not answer, is full, or holds another format.

    `may_be_done` is set for a commit that was begun and nobody knows how it ended: read again, and the versions tell.
    """

    def __init__(self, message: str, *, may_be_done: bool = False) -> None:
        super().__init__(message)
        self.may_be_done = may_be_done


class MonitoringError(PlatformError):
    """A monitoring report cannot be made from these rows."""


class AlertError(PlatformError):
    """Alerts cannot be kept, or their sinks are not declared as they must be."""


class IdentityError(PlatformError):
    """What code or which inputs made a result cannot be said, so it can neither be kept nor made again."""
