"""Whether what would be packed now computes what the model was trained with."""

from collections.abc import Mapping

from mlops_assets.core.errors import PackagingError


def require_training_match(
    subject: str,
    *,
    trained_view: str | None,
    view: str,
    trained_libraries: Mapping[str, str],
    libraries: Mapping[str, str],
) -> None:
    """Compare digest of the feature view and library versions at training time with those of now.

    A version of before libraries were recorded (`trained_libraries` empty) is judged by its view only.

    subject: what the message speaks of. trained_view, view: digests, None where none was recorded. trained_libraries,
    libraries: name to version.

    Raises: PackagingError naming what differs: other features or other scores would be served than were evaluated.
    """
    if trained_view != view:
        raise PackagingError(
            f"{subject} was trained with feature view {(trained_view or 'unknown')[:12]}, but the declaration is now "
            f"{view[:12]}: train it again"
        )
    differing = [
        f"{name} {trained} (now {libraries.get(name, 'not installed')})"
        for name, trained in sorted(trained_libraries.items())
        if libraries.get(name) != trained
    ]
    if differing:
        raise PackagingError(
            f"{subject} was trained with {', '.join(differing)}: install these versions, or train it again"
        )
