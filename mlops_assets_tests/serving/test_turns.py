"""Turns: one per round of the loop, in order, also where somebody gave up."""

import asyncio

from serving.turns import Turns


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
