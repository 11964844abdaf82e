"""LightGBM's names of parameters, with its own list and without it."""

from collections.abc import Callable, Iterator

import lightgbm.basic
import pytest

from mlops_assets.core.errors import TrainingError
from mlops_assets.core.training import parameter_names
from mlops_assets.core.training.fit import RESERVED_PARAMETERS, canonical_parameters
from mlops_assets.core.training.parameter_names import DOCUMENTED, main_name


@pytest.fixture(autouse=True)
def read_again() -> Iterator[None]:
    parameter_names._lightgbms_own.cache_clear()
    yield
    parameter_names._lightgbms_own.cache_clear()


def test_lightgbm_has_the_documented_names_and_no_others_for_the_platforms_own_parameters() -> None:
    own = lightgbm.basic._ConfigAliases
    own.get("objective")
    assert own.aliases is not None
    for name in RESERVED_PARAMETERS:
        assert set(own.aliases[name]) == {name, *DOCUMENTED.get(name, ())}


def test_names_are_resolved_and_unknown_ones_have_none() -> None:
    assert main_name("eta") == "learning_rate"
    assert main_name("learning_rate") == "learning_rate"
    assert main_name("learning_rte") is None


def without_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(lightgbm.basic, "_ConfigAliases")


def with_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightgbm.basic._ConfigAliases, "aliases", {})


@pytest.mark.parametrize("break_it", [without_list, with_an_empty_list])
def test_without_lightgbms_list_the_platforms_own_parameters_stay_reserved_and_one_line_says_so(
    break_it: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    break_it(monkeypatch)
    for main, aliases in DOCUMENTED.items():
        for name in (main, *aliases):
            with pytest.raises(TrainingError, match=f"{name} may not be given"):
                canonical_parameters({name: 1})
    assert canonical_parameters({"learning_rate": 0.1}) == {"learning_rate": 0.1}
    said = [r.message for r in caplog.records if r.name == "mlops_assets.core.training.parameter_names"]
    assert len(said) == 1
    assert "is not refused" in said[0]
