"""A follower's status: it reads back, a missing one is a beginning, and a damaged one is told."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.commands.drill.small_disk import small_disk
from mlops_assets.core.errors import ServingError
from mlops_assets.core.serving.host.follower_status import FollowerStatus, status_file

statuses = st.builds(
    FollowerStatus,
    st.none() | st.integers(0, 10**6),
    st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.none() | st.text(st.characters(codec="utf-8"), max_size=20),
)


@given(statuses)
def test_a_status_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, status: FollowerStatus) -> None:
    file = status_file(tmp_path_factory.mktemp("home"), "shop")
    status.write(file)
    assert FollowerStatus.read(file) == status
    assert [entry.name for entry in file.parent.iterdir()] == ["follower.json"]


def test_before_the_first_look_nothing_is_known(tmp_path: Path) -> None:
    assert FollowerStatus.read(status_file(tmp_path, "shop")) == FollowerStatus(None, None, None)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"last_success_at": 1}', '{"last_success_at": null, "more": 1}']
)
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "follower.json"
    file.write_text(content)
    with pytest.raises(ServingError, match="cannot be read as a follower's status"):
        FollowerStatus.read(file)


def test_on_a_full_disk_services_are_told_all_the_same(tmp_path: Path) -> None:
    with small_disk(tmp_path, size_bytes=1 << 20) as disk:
        file = status_file(disk.outside, "shop")
        FollowerStatus(4, None, "a long story, longer than the next one").write(file)
        disk.fill()
        FollowerStatus(4, None, "no space").write(file)
        assert FollowerStatus.read(file).last_error == "no space"
        FollowerStatus(4, None, "no space is left, and this is longer than before by far").write(file)
        assert "by far" in str(FollowerStatus.read(file).last_error)
        disk.free()
        FollowerStatus(5, None, None).write(file)
        assert FollowerStatus.read(file) == FollowerStatus(5, None, None)
