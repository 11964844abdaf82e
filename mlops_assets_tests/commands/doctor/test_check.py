"""One thing that the doctor looks at: an exception is a finding."""

from collections.abc import Iterator

from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.commands.doctor.command import has_failed


def test_an_exception_is_a_finding_with_its_root_cause_and_what_to_do() -> None:
    def checks() -> Iterator[Check]:
        yield Check("area", "first", "ok", "fine")
        try:
            raise OSError("https://user:hunter2@host is full")
        except OSError as error:
            raise RuntimeError("somewhere deep") from error

    first, second = Checkup("area", "second", checks, "free some space").findings()
    assert first.status == "ok"
    assert second == Check("area", "second", "failed", "OSError: https://***@host is full", "free some space")
    assert has_failed([first, second])
    assert not has_failed([first])
