"""The judgement on the canary that stands."""

from datetime import timedelta

from mlops_assets.catalogue import load_product
from mlops_assets.core.canary.evidence import read_reference
from mlops_assets.core.canary.plots import evidence_plot
from mlops_assets.core.canary.standing import find_canary, judge_standing
from mlops_assets.core.plots.style import to_png
from mlops_assets_tests.support.homes.canary_home import (
    BEGAN_AT,
    PRODUCT,
    CanaryHome,
    served,
)

SPEC = load_product(PRODUCT).spec
NOW = BEGAN_AT + timedelta(hours=2)


def judged(home: CanaryHome):
    canary = find_canary(PRODUCT, home.control)
    assert canary is not None
    store = home.store()
    reference = read_reference(SPEC, canary, tables=home.tables, control=home.control, store=store)
    found = judge_standing(SPEC, canary, reference=reference, tables=home.tables, store=store, now=NOW)
    store.close()
    return found


def test_the_standing_canary_is_judged_and_drawn(home: CanaryHome) -> None:
    home.capture(served(home, sequence=1, requests=400, first_id=10_000))
    home.capture(served(home, sequence=2, requests=3_000))
    good = judged(home)
    assert good.judgement.action == "advance", good.judgement.reason
    assert good.not_asked == {}
    home.capture(served(home, sequence=2, requests=1_000, first_id=5_000, errors=(0.0, 0.1), seed=1))
    bad = judged(home)
    assert bad.judgement.action == "roll_back"
    assert "does harm: error " in bad.judgement.reason
    assert to_png(evidence_plot(bad.judgement, title="Evidence")).startswith(b"\x89PNG")


def test_what_cannot_be_asked_is_said(home: CanaryHome) -> None:
    assert list(judged(home).not_asked) == ["latency"]
