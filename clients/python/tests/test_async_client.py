"""What the client that awaits promises, against a real Purser."""

from __future__ import annotations

from decimal import Decimal

import anyio
import pytest

from conftest import Sidecar
from purser import AsyncClient, Denied, Unreachable

ANA = {"team": "acme", "member": "ana"}
pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def left(client: AsyncClient) -> tuple[Decimal, Decimal]:
    balance = await client.member_balance("acme", "ana")
    return balance.used, balance.held


async def test_holds_are_settled_or_charged_as_estimated(sidecar: Sidecar) -> None:
    async with AsyncClient(sidecar.url) as client:
        async with client.hold(**ANA, credits=5) as hold:
            assert await left(client) == (0, 5)
            await hold.settle("3.5")
        async with client.hold(**ANA, credits=2):
            pass
        assert await left(client) == (Decimal("5.5"), 0)


async def test_a_hold_is_released_when_its_block_raises(sidecar: Sidecar) -> None:
    async with AsyncClient(sidecar.url) as client:
        with pytest.raises(RuntimeError):
            async with client.hold(**ANA, credits=5):
                raise RuntimeError("the model failed")
        assert await left(client) == (0, 0)


async def test_a_cancelled_task_still_ends_its_hold(sidecar: Sidecar) -> None:
    async with AsyncClient(sidecar.url) as client:
        with anyio.move_on_after(0.2) as scope:
            async with client.hold(**ANA, credits=5):
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert await left(client) == (0, 0)


async def test_many_tasks_spend_what_there_is(sidecar: Sidecar) -> None:
    allowed = denied = 0

    async def call(client: AsyncClient) -> None:
        nonlocal allowed, denied
        try:
            async with client.hold(**ANA, credits=2) as hold:
                await hold.settle(2)
            allowed += 1
        except Denied as error:
            assert error.denial.reason in ("member_limit", "held")
            denied += 1

    async with AsyncClient(sidecar.url) as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(80):
                tasks.start_soon(call, client)
        used, held = await left(client)
        assert (allowed + denied, used, held) == (80, 2 * allowed, 0)
        assert allowed <= 50


async def test_an_awaited_hold_is_ended_by_hand(sidecar: Sidecar) -> None:
    async with AsyncClient(sidecar.url) as client:
        hold = await client.hold(**ANA, credits=5)
        assert (await hold.extend(120_000)).held == 5
        assert (await hold.release()).returned == 5
        debit = await client.debit(**ANA, credits=5)
        assert debit.id is not None
        assert (await client.refund(debit.id, team="acme", credits=2)).refunded == 2
        assert (await client.pool("acme")).used == 3


async def test_without_purser_nothing_is_allowed(sidecar: Sidecar) -> None:
    async with AsyncClient(sidecar.url, tries=1) as client:
        sidecar.kill()
        with pytest.raises(Unreachable):
            await client.check(**ANA, credits=1)
