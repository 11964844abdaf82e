"""A file in the place of another: readers see one whole content, and a failure leaves what was there."""

from pathlib import Path

import pytest

from mlops_assets.core.files import replace_file, replace_text


@pytest.mark.parametrize("is_durable", [False, True])
def test_the_new_content_stands_in_the_place_of_the_old_and_nothing_beside_it(
    tmp_path: Path, is_durable: bool
) -> None:
    file = tmp_path / "deep" / "plan.json"
    assert replace_text(file, "old", is_durable=is_durable) == file
    replace_text(file, "größer\n", is_durable=is_durable)
    assert file.read_bytes() == "größer\n".encode()
    assert list(file.parent.iterdir()) == [file]


def test_a_writer_that_fails_leaves_the_old_content_and_no_half(tmp_path: Path) -> None:
    file = replace_text(tmp_path / "plan.json", "old")

    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(file, fail)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_while_it_is_written_readers_see_the_old_content(tmp_path: Path) -> None:
    file = replace_text(tmp_path / "plan.json", "old")
    seen = []

    def write(partial: Path) -> None:
        partial.write_text("new")
        seen.append(file.read_text())

    replace_file(file, write)
    assert (seen, file.read_text()) == (["old"], "new")
