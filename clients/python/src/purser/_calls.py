"""Requests and the reading of their answers, without any IO: both clients send what stands here."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar, Union
from urllib.parse import quote

import httpx

from ._errors import Denied, Problem, PurserError, Unreachable
from ._models import (
    Allowed,
    Denial,
    Extended,
    Funds,
    MemberBalance,
    Refunded,
    Released,
    Settled,
    Usage,
    read,
)

T = TypeVar("T")

Credits = Union[Decimal, int, str]
"""An amount as a caller writes it; a float is refused, because it is not exact."""


@dataclass(frozen=True)
class Scope:
    """In whose name an operation was made: a team, or the member alone whose own credits pay."""

    team: str | None
    member: str | None


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and what its answer is read as. All may be sent again: the same id is charged once."""

    method: str
    path: str
    body: dict[str, Any] | None
    kind: type[T]


def draw(
    route: str,
    *,
    member: str,
    team: str | None,
    credits: Credits | None,
    usage: Usage | None = None,
    model: str | None = None,
    id: str | None = None,
    ttl_ms: int | None = None,
    min_credits: Credits | None = None,
) -> Call[Allowed]:
    """A debit, a hold or a check."""
    body = {
        "id": id or new_id(),
        "team": team,
        "member": member,
        "credits": amount(credits),
        "usage": _usage(usage),
        "model": model,
        "ttl_ms": ttl_ms,
        "min_credits": amount(min_credits),
    }
    return Call("POST", f"/v1/{route}", _present(body), Allowed)


def settle(
    hold: str, scope: Scope, credits: Credits | None, usage: Usage | None = None, model: str | None = None
) -> Call[Settled]:
    body = asdict(scope) | {"credits": amount(credits), "usage": _usage(usage), "model": model}
    return Call("POST", f"/v1/holds/{quote(hold, safe='')}/settle", _present(body), Settled)


def release(hold: str, scope: Scope) -> Call[Released]:
    return Call("POST", f"/v1/holds/{quote(hold, safe='')}/release", _present(asdict(scope)), Released)


def extend(hold: str, scope: Scope, ttl_ms: int) -> Call[Extended]:
    body = asdict(scope) | {"ttl_ms": ttl_ms}
    return Call("POST", f"/v1/holds/{quote(hold, safe='')}/extend", _present(body), Extended)


def refund(debit: str, scope: Scope, credits: Credits | None, id: str | None) -> Call[Refunded]:
    own_id = id or (new_id() if credits is not None else None)
    body = asdict(scope) | {"credits": amount(credits), "id": own_id}
    return Call("POST", f"/v1/debits/{quote(debit, safe='')}/refund", _present(body), Refunded)


def member_balance(team: str, member: str) -> Call[MemberBalance]:
    return Call("GET", f"/v1/teams/{quote(team, safe='')}/members/{quote(member, safe='')}/balance", None, MemberBalance)


def pool(team: str) -> Call[Funds]:
    return Call("GET", f"/v1/teams/{quote(team, safe='')}/pool", None, Funds)


def user_balance(user: str) -> Call[Funds]:
    return Call("GET", f"/v1/users/{quote(user, safe='')}/balance", None, Funds)


def answer(call: Call[T], response: httpx.Response) -> T:
    """What was answered; raises `Denied`, `Problem`, or `Unreachable` where it may be sent again."""
    body = _json(response)
    if response.status_code == 200:
        if call.kind is Allowed and body.get("decision") == "deny":
            raise Denied(read(Denial, body["denial"]))
        return read(call.kind, body)
    code, detail = body.get("code", "unknown"), body.get("detail", response.reason_phrase)
    if response.status_code in (408, 502, 503, 504):
        raise Unreachable(f"{response.status_code} {code}: {detail}")
    raise Problem(response.status_code, code, detail, body.get("pointer"))


def amount(credits: Credits | None) -> str | None:
    """An amount as Purser reads it: plain digits, never an exponent."""
    if credits is None:
        return None
    if isinstance(credits, bool) or not isinstance(credits, (Decimal, int, str)):
        raise TypeError(f"credits are a Decimal, an int or a str, not {credits!r}: a float is not exact")
    return format(credits, "f") if isinstance(credits, Decimal) else str(credits)


def new_id() -> str:
    """An id of an operation that nobody else has."""
    return str(uuid.uuid4())


def is_worth_another_try(error: PurserError) -> bool:
    """Whether the same request may well be answered when it is sent again."""
    return isinstance(error, Unreachable) or (isinstance(error, Denied) and error.denial.reason == "unavailable")


def note(error: BaseException, failed: PurserError) -> None:
    """Tells with the error of a block that its hold could not be released; it expires by itself."""
    if hasattr(error, "add_note"):  # Python 3.11
        error.add_note(f"the hold could not be released and expires by itself: {failed}")


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    return asdict(usage) | {"seconds": amount(usage.seconds)} if usage else None


def _present(body: dict[str, Any]) -> dict[str, Any]:
    present = {name: value for name, value in body.items() if value is not None}
    if isinstance(usage := present.get("usage"), dict):
        present["usage"] = {name: value for name, value in usage.items() if value is not None}
    return present
