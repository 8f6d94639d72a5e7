"""The client that blocks."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, TypeVar

import httpx

from . import _calls, _transport
from ._calls import Call, Credits, Scope
from ._errors import PurserError, Unreachable
from ._models import Allowed, Extended, Funds, MemberBalance, Refunded, Released, Settled, Usage

T = TypeVar("T")


class Client:
    """Asks one Purser. Keeps its connections, and may be shared by threads.

    `base_url` is `http://HOST:PORT` or `unix:PATH`. What gets no answer is sent again up to `tries`
    times; then `Unreachable` is raised, and the caller must not make the call that it wanted to pay for.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        token: str | None = None,
        timeout: float = _transport.TIMEOUT_SECONDS,
        tries: int = _transport.TRIES,
    ) -> None:
        options: dict[str, Any] = _transport.options(base_url, token, timeout)
        self._http = httpx.Client(transport=httpx.HTTPTransport(uds=_transport.socket(base_url)), **options)
        self._tries = tries

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def debit(
        self,
        *,
        member: str,
        team: str | None = None,
        credits: Credits | None = None,
        usage: Usage | None = None,
        model: str | None = None,
        id: str | None = None,
    ) -> Allowed:
        """Charges a known cost, or raises `Denied`. Without a team the member's own credits pay."""
        return self._send(
            _calls.draw("debits", member=member, team=team, credits=credits, usage=usage, model=model, id=id)
        )

    def check(
        self,
        *,
        member: str,
        team: str | None = None,
        credits: Credits | None = None,
        usage: Usage | None = None,
        model: str | None = None,
    ) -> Allowed:
        """What a debit would answer now, or raises `Denied`; changes nothing."""
        return self._send(_calls.draw("checks", member=member, team=team, credits=credits, usage=usage, model=model))

    def hold(
        self,
        *,
        member: str,
        team: str | None = None,
        credits: Credits | None = None,
        usage: Usage | None = None,
        model: str | None = None,
        id: str | None = None,
        ttl_ms: int | None = None,
        min_credits: Credits | None = None,
    ) -> Hold:
        """Sets an estimated cost aside, or raises `Denied`. Use it with `with`: see `Hold`."""
        call = _calls.draw(
            "holds",
            member=member,
            team=team,
            credits=credits,
            usage=usage,
            model=model,
            id=id,
            ttl_ms=ttl_ms,
            min_credits=min_credits,
        )
        return Hold(self, self._send(call), Scope(team, member))

    def settle(
        self, hold: str, *, team: str | None = None, member: str | None = None,
        credits: Credits | None = None, usage: Usage | None = None, model: str | None = None,
    ) -> Settled:  # fmt: skip
        """Charges the real cost of a hold; the rest of it returns. `model` counts where the hold named none."""
        return self._send(_calls.settle(hold, Scope(team, member), credits, usage, model))

    def release(self, hold: str, *, team: str | None = None, member: str | None = None) -> Released:
        """Cancels a hold; all of it returns."""
        return self._send(_calls.release(hold, Scope(team, member)))

    def extend(self, hold: str, *, ttl_ms: int, team: str | None = None, member: str | None = None) -> Extended:
        """Gives a hold a new expiry, counted from now."""
        return self._send(_calls.extend(hold, Scope(team, member), ttl_ms))

    def refund(
        self, debit: str, *, team: str | None = None, member: str | None = None,
        credits: Credits | None = None, id: str | None = None,
    ) -> Refunded:  # fmt: skip
        """Gives back a debit: all that is left of it, or `credits`."""
        return self._send(_calls.refund(debit, Scope(team, member), credits, id))

    def member_balance(self, team: str, member: str) -> MemberBalance:
        """What a member may still do."""
        return self._send(_calls.member_balance(team, member))

    def pool(self, team: str) -> Funds:
        """A team's credits."""
        return self._send(_calls.pool(team))

    def user_balance(self, user: str) -> Funds:
        """A user's own credits."""
        return self._send(_calls.user_balance(user))

    def _send(self, call: Call[T]) -> T:
        for attempt in range(1, self._tries + 1):
            try:
                return self._try(call)
            except PurserError as error:
                if attempt == self._tries or not _calls.is_worth_another_try(error):
                    raise
            time.sleep(_transport.PAUSE_SECONDS * 2 ** (attempt - 1))
        raise ValueError("tries is at least 1")

    def _try(self, call: Call[T]) -> T:
        try:
            response = self._http.request(call.method, call.path, json=call.body)
        except httpx.TransportError as error:
            raise Unreachable(_transport.failure(error)) from error
        return _calls.answer(call, response)


class Hold:
    """Credits set aside for a call.

    As a context manager it always ends the hold: with the cost given to `settle`; released, when the
    block raises; charged as estimated, when the block ends without either.
    """

    def __init__(self, client: Client, allowed: Allowed, scope: Scope) -> None:
        self._client = client
        self._scope = scope
        self._ended = False
        self.allowed = allowed
        """What was set aside, of whose credits, and until when."""

    @property
    def id(self) -> str:
        """The operation's id."""
        assert self.allowed.id is not None, "a hold has an id"
        return self.allowed.id

    def settle(self, credits: Credits | None = None, *, usage: Usage | None = None) -> Settled:
        """Charges the real cost; the rest returns."""
        settled = self._client._send(_calls.settle(self.id, self._scope, credits, usage))
        self._ended = True
        return settled

    def release(self) -> Released:
        """Cancels it; all returns."""
        released = self._client._send(_calls.release(self.id, self._scope))
        self._ended = True
        return released

    def extend(self, ttl_ms: int) -> Extended:
        """A new expiry, counted from now."""
        return self._client._send(_calls.extend(self.id, self._scope, ttl_ms))

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._ended:
            return
        if error is None:
            self.settle(self.allowed.credits)
            return
        try:
            self.release()
        except PurserError as failed:
            # The error of the block is what its caller must see; the hold expires by itself.
            _calls.note(error, failed)
