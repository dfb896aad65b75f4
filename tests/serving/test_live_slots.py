"""Places for live sessions, and the tokens that open them."""

from __future__ import annotations

import asyncio

from featherface.serving.live_slots import LiveSlots, LiveTokens


def test_tokens_are_secret_and_single() -> None:
    tokens = LiveTokens()
    first, second = tokens.issue(), tokens.issue()
    assert first != second
    assert len(first) >= 32
    assert tokens.valid(first)
    assert not tokens.valid("")
    assert not LiveTokens().valid(first)  # of another process


def test_slots_go_in_order_and_positions_are_told() -> None:
    async def scenario() -> None:
        slots = LiveSlots(limit=1)
        told: dict[str, list[int]] = {"a": [], "b": [], "c": []}
        order: list[str] = []
        leave = {name: asyncio.Event() for name in told}

        async def visitor(name: str) -> None:
            async def tell(position: int) -> None:
                told[name].append(position)

            async with slots.slot(tell) as granted:
                assert granted
                order.append(name)
                await leave[name].wait()

        tasks = []
        for name in told:
            tasks.append(asyncio.create_task(visitor(name)))
            await asyncio.sleep(0)
        await _until(lambda: told["c"] == [2])
        leave["a"].set()
        await _until(lambda: order == ["a", "b"])
        tasks[1].cancel()  # a browser that goes away makes room too
        await _until(lambda: order == ["a", "b", "c"])
        leave["c"].set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert told == {"a": [], "b": [1], "c": [2, 1]}

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_a_slot_that_becomes_free_while_the_position_is_told_is_taken() -> None:
    async def scenario() -> None:
        slots = LiveSlots(limit=1)
        leave, told = asyncio.Event(), []

        async def first() -> None:
            async with slots.slot(ignore):
                await leave.wait()

        async def ignore(position: int) -> None:
            raise AssertionError(position)

        running = asyncio.create_task(first())
        await asyncio.sleep(0)

        async def tell(position: int) -> None:
            told.append(position)
            leave.set()
            await running  # a slow connection: the other visitor has left before it answers

        async with slots.slot(tell) as granted:
            assert granted
        assert told == [1]

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_a_full_queue_refuses_at_once() -> None:
    async def scenario() -> None:
        slots = LiveSlots(limit=1, max_waiting=0)

        async def tell(position: int) -> None:
            raise AssertionError(position)

        async with slots.slot(tell) as first, slots.slot(tell) as second:
            assert (first, second) == (True, False)
        async with slots.slot(tell) as again:
            assert again

    asyncio.run(asyncio.wait_for(scenario(), 10))


async def _until(condition) -> None:
    while not condition():
        await asyncio.sleep(0)
