"""A file is replaced whole or not at all."""

from pathlib import Path

import pytest

from mlops_assets.core.files import replace_file, replace_text


@pytest.mark.parametrize("is_durable", [False, True])
def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path, is_durable: bool) -> None:
    file = tmp_path / "folder" / "plan.json"
    for text in ("old\n", "new: Müller\n"):
        assert replace_text(file, text, is_durable=is_durable) == file
    assert file.read_bytes() == "new: Müller\n".encode()
    assert [path.name for path in file.parent.iterdir()] == ["plan.json"]


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path) -> None:
    file = replace_text(tmp_path / "report.html", "<html>")

    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(file, fail)
    assert file.read_text() == "<html>"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
