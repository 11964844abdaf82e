"""A part that fails or hangs is said, and hides nothing of the others."""

import threading
import time
from collections.abc import Callable, Iterable

import pytest

from mlops_assets.core.exporter.metric import Metric, Sample
from mlops_assets.core.exporter.parts import (
    FRESH_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PAUSE_TIMES,
    STALE_SECONDS,
    Part,
    Parts,
)

SIZE = Metric(name="mlops_size", meaning="How much.", labels=("product",))
PRODUCTS = ("one", "two")


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def size(product: str) -> Iterable[Sample]:
    yield SIZE.of(len(product), product)


def part(name: str, look: Callable[[str], Iterable[Sample]], products: tuple[str, ...] = PRODUCTS) -> Part:
    return Part(name, (SIZE,), look, products)


def shown(samples: Iterable[Sample]) -> dict[tuple[str, ...], float]:
    named = {(one.metric.name.removeprefix("mlops_"), *one.labels): one.value for one in samples}
    return {key: value for key, value in named.items() if key[0] != "exporter_part_duration_seconds"}


def test_one_product_that_fails_hides_neither_the_other_product_nor_the_other_part(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails_for_one(product: str) -> Iterable[Sample]:
        yield SIZE.of(1, product)
        if product == "one":
            raise OSError("away")

    clock = Clock()
    parts = Parts([part("bad", fails_for_one), part("good", lambda _: (), ("",))], clock=clock)
    expected = {
        ("size", "one"): 1.0,  # what it said before it failed
        ("size", "two"): 1.0,
        ("exporter_part_success", "bad", "one"): 0.0,
        ("exporter_part_success", "bad", "two"): 1.0,
        ("exporter_part_success", "good", ""): 1.0,
    }
    assert shown(parts.samples()) == expected
    clock.now += FRESH_SECONDS
    assert shown(parts.samples()) == expected
    assert [record.getMessage() for record in caplog.records] == ["no numbers of bad one: OSError: away"]


def test_a_part_is_looked_at_again_only_when_its_look_is_old() -> None:
    looks: list[str] = []
    clock = Clock()
    parts = Parts([part("seen", lambda product: looks.append(product) or size(product))], clock=clock)
    first = shown(parts.samples())
    clock.now += FRESH_SECONDS - 1
    assert shown(parts.samples()) == first
    assert looks == ["one", "two"]
    clock.now += 1
    parts.samples()
    assert looks == ["one", "two"] * 2


@pytest.mark.parametrize(("seconds", "pause"), [(3, 3 * PAUSE_TIMES), (900, LONGEST_PAUSE_SECONDS)])
def test_a_part_that_takes_long_is_looked_at_seldom(seconds: float, pause: float) -> None:
    clock, looks = Clock(), []

    def counts_a_large_store(product: str) -> Iterable[Sample]:
        looks.append(product)
        clock.now += seconds
        return size(product)

    parts = Parts([part("large", counts_a_large_store, ("one",))], clock=clock)
    first = shown(parts.samples())
    clock.now += pause - 1
    assert shown(parts.samples()) == first
    assert looks == ["one"]
    clock.now += 1
    parts.samples()
    assert looks == ["one", "one"]


def test_a_part_that_failed_after_long_is_looked_at_again_soon() -> None:
    clock, is_away = Clock(), True

    def gives_up(product: str) -> Iterable[Sample]:
        if is_away:
            clock.now += 30
            raise OSError("away")
        return size(product)

    parts = Parts([part("server", gives_up, ("one",))], clock=clock)
    assert shown(parts.samples()) == {("exporter_part_success", "server", "one"): 0.0}
    is_away = False
    clock.now += 30
    assert shown(parts.samples())["exporter_part_success", "server", "one"] == 1.0


def test_a_part_that_hangs_is_waited_for_once_and_shows_its_last_look_for_a_while() -> None:
    goes_on, is_hanging, looks = threading.Event(), threading.Event(), []

    def hangs(product: str) -> Iterable[Sample]:
        looks.append(product)
        if is_hanging.is_set():
            goes_on.wait(60)
        return size(product)

    clock = Clock()
    parts = Parts([part("slow", hangs, ("one",)), part("quick", size, ("two",))], clock=clock)
    good = shown(parts.samples())
    is_hanging.set()
    try:
        clock.now += FRESH_SECONDS
        started = time.monotonic()
        assert shown(parts.samples(patience_seconds=0.05)) == good
        clock.now += STALE_SECONDS + 1
        assert shown(parts.samples(patience_seconds=0.05)) == {
            ("size", "two"): 3.0,
            ("exporter_part_success", "slow", "one"): 0.0,
            ("exporter_part_success", "quick", "two"): 1.0,
        }
        assert time.monotonic() - started < 10
        assert looks == ["one", "one"]
    finally:
        goes_on.set()
    assert shown(parts.samples()) == good


def test_every_part_has_its_metrics_and_how_it_went() -> None:
    names = [metric.name for metric in Parts([part("a", size)]).metrics]
    assert names == ["mlops_size", "mlops_exporter_part_success", "mlops_exporter_part_duration_seconds"]


def test_a_look_that_never_ended_is_a_failure() -> None:
    goes_on = threading.Event()

    def hangs(_product: str) -> Iterable[Sample]:
        goes_on.wait(60)
        return ()

    try:
        found = shown(Parts([part("slow", hangs, ("",))]).samples(patience_seconds=0.05))
        assert found == {("exporter_part_success", "slow", ""): 0.0}
    finally:
        goes_on.set()
