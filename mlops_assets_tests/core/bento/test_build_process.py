"""The process that builds a bento."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import PackagingError
from mlops_assets_tests.support.homes.product_bento import SampledProduct, product_bento


def test_a_build_that_bentoml_refuses_shows_the_end_of_its_log(
    sampled: SampledProduct, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models").write_text("a file where a folder belongs")
    with pytest.raises(PackagingError, match=r"was not built \(code 1\)(.|\n)*models is not a directory"):
        product_bento(sampled, tmp_path / "home")
