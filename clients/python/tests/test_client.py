"""What the client that blocks promises, against a real Purser."""

from __future__ import annotations

from decimal import Decimal

import pytest

from conftest import Sidecar
from purser import Client, Denied, Problem, Unreachable

ANA = {"team": "acme", "member": "ana"}


def left(client: Client) -> tuple[Decimal, Decimal]:
    """What is used and held of ana's limit."""
    balance = client.member_balance("acme", "ana")
    return balance.used, balance.held


def test_a_debit_is_charged_once_for_one_id(sidecar: Sidecar) -> None:
    with Client(sidecar.url) as client:
        first = client.debit(**ANA, credits="1.25", id="call-1")
        again = client.debit(**ANA, credits="1.25", id="call-1")
        assert (first.credits, first.payer, first.replayed) == (Decimal("1.25"), "pool", False)
        assert (again.replayed, again.remaining.member) == (True, Decimal("98.75"))
        assert client.refund("call-1", team="acme").refunded == Decimal("1.25")
        assert left(client) == (0, 0)


def test_a_denial_is_raised_with_its_numbers(sidecar: Sidecar) -> None:
    with Client(sidecar.url) as client, pytest.raises(Denied) as denied:
        client.debit(**ANA, credits=101)
    denial = denied.value.denial
    assert (denial.reason, denial.status, denial.limit, denial.asked) == ("member_limit", 403, 100, 101)
    assert (denial.next_step, denial.retryable) == ("switch_to_personal", False)
    assert denial.resets_at is not None and denial.resets_at.tzinfo is not None


def test_a_check_changes_nothing(sidecar: Sidecar) -> None:
    with Client(sidecar.url) as client:
        assert client.check(**ANA, credits=100).remaining.member == 0
        assert left(client) == (0, 0)


def test_a_hold_is_settled_with_the_real_cost(sidecar: Sidecar) -> None:
    with Client(sidecar.url) as client:
        with client.hold(**ANA, credits=5, ttl_ms=60_000) as hold:
            assert left(client) == (0, 5)
            hold.extend(120_000)
            settled = hold.settle(Decimal("3.5"))
        assert (settled.charged, settled.returned, settled.debt, settled.late) == (Decimal("3.5"), Decimal("1.5"), 0, False)
        assert left(client) == (Decimal("3.5"), 0)


def test_a_hold_that_nobody_settles_is_charged_as_estimated(sidecar: Sidecar) -> None:
    with Client(sidecar.url) as client:
        with client.hold(**ANA, credits=150, min_credits=1) as hold:
            assert hold.allowed.credits == 100
        assert left(client) == (100, 0)


def test_a_hold_is_released_when_its_block_raises(sidecar: Sidecar) -> None:
    with Client(sidecar.url) as client:
        with pytest.raises(RuntimeError, match="the model failed"), client.hold(**ANA, credits=5):
            raise RuntimeError("the model failed")
        assert left(client) == (0, 0)


def test_a_hold_can_be_released_and_does_not_end_twice(sidecar: Sidecar) -> None:
    with Client(sidecar.url) as client:
        with client.hold(**ANA, credits=5) as hold:
            assert hold.release().returned == 5
        with pytest.raises(Problem) as problem:
            client.settle(hold.id, team="acme", credits=1)
        assert (problem.value.status, problem.value.code) == (409, "hold_ended")


def test_a_wrong_request_says_where(sidecar: Sidecar) -> None:
    with Client(sidecar.url) as client, pytest.raises(Problem) as problem:
        client.debit(team="acme", member="ana", credits="1e3")
    assert (problem.value.status, problem.value.pointer) == (422, "/credits")


@pytest.mark.parametrize("credits", [1.5, True, None, b"1"])
def test_a_float_is_no_amount(credits: object) -> None:
    with Client() as client, pytest.raises(TypeError if credits is not None else Unreachable):
        # Nothing is listening there: None alone is sent, for Purser to refuse.
        client._tries = 1
        client.debit(**ANA, credits=credits)  # type: ignore[arg-type]


def test_a_unix_socket_and_the_pool(sidecar: Sidecar) -> None:
    with Client(f"unix:{sidecar.socket}") as client:
        client.debit(**ANA, credits=2)
        pool = client.pool("acme")
        assert (pool.total, pool.used, pool.remaining) == (1000, 2, 998)
        assert client.user_balance("ana").subscription is None


def test_without_purser_nothing_is_allowed(sidecar: Sidecar) -> None:
    with Client(sidecar.url) as client:
        hold = client.hold(**ANA, credits=5)
        sidecar.kill()
        with pytest.raises(Unreachable):
            client.debit(**ANA, credits=1)
        with pytest.raises(ValueError, match="the model failed") as raised, hold:
            raise ValueError("the model failed")
    assert any("could not be released" in note for note in getattr(raised.value, "__notes__", ["could not be released"]))
