"""Turns: one per round of the loop, in order, also where somebody gave up."""

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from mlops_assets.core.serving.turn import Steps, asked
from serving.turns import Turns, at_once


def test_one_turn_is_given_per_round_of_the_loop_in_the_order_of_asking() -> None:
    async def play() -> list[str]:
        turns, told, others = Turns(), [], asyncio.Event()

        async def work(name: str) -> None:
            await turns.mine()
            told.append(name)

        async def look_on() -> None:
            while not others.is_set():
                told.append("-")
                await asyncio.sleep(0)

        looking = asyncio.create_task(look_on())
        gone = asyncio.create_task(work("gone"))
        working = [asyncio.create_task(work(name)) for name in "abc"]
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(*working)
        others.set()
        await looking
        return told

    told = "".join(asyncio.run(play()))
    assert told.replace("-", "") == "abc"
    assert "ab" not in told
    assert "bc" not in told


def test_turns_go_on_after_nobody_waited() -> None:
    async def play() -> None:
        turns = Turns()
        for _ in range(3):
            await asyncio.wait_for(turns.mine(), 5)
            await asyncio.sleep(0)

    asyncio.run(play())


def failing() -> str:
    raise ZeroDivisionError("of the question")


def work(future: Future[str], log: list[str]) -> Steps[str]:
    """Two pauses, the second one until the future is done."""
    log.append("first")
    yield
    log.append("second")
    yield future
    log.append("third")
    return future.result()


@pytest.mark.parametrize("seconds", [10.0, 0.05])
def test_what_a_step_waits_for_is_waited_for_and_the_loop_goes_on_meanwhile(seconds: float) -> None:
    async def play() -> tuple[str, list[str]]:
        future: Future[str] = Future()
        log: list[str] = []
        going = asyncio.create_task(Turns().through(work(future, log), seconds=seconds))
        await asyncio.sleep(0.1)  # longer than the shorter time, after which a commit may have been done
        log.append("meanwhile")
        future.set_result("answer")
        return await going, log

    assert asyncio.run(play()) == ("answer", ["first", "second", "meanwhile", "third"])


def test_steps_that_take_too_long_are_given_up() -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(Turns().through(work(Future(), []), seconds=0.0))


@pytest.mark.parametrize(
    "taken", [at_once, lambda steps: Turns().through(steps)], ids=["at once", "in turns"]
)
def test_an_answer_or_an_error_comes_from_the_thread_that_asks(taken) -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="store") as executor:
        name = asyncio.run(taken(asked(lambda: threading.current_thread().name, executor)))
        assert name.startswith("store")
        with pytest.raises(ZeroDivisionError):
            asyncio.run(taken(asked(failing, executor)))
    here = asyncio.run(taken(asked(lambda: threading.current_thread().name, None)))
    assert here == threading.current_thread().name
