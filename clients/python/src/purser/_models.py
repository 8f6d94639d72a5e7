"""What Purser answers. Amounts are exact decimals of credits, with at most six digits after the point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Usage:
    """What a call has used, or may use, to be priced by the rate card. What is left out is nothing; but before the call
    `output_tokens` left out are as many as the card says for the model."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    """Those of `input_tokens` that the model had cached."""
    reasoning_tokens: int | None = None
    """Those of `output_tokens` that the model spent on reasoning."""
    images: int | None = None
    seconds: Decimal | int | str | None = None
    """Of sound or film."""


@dataclass(frozen=True)
class Remaining:
    """What is left; with several sidecars, of the share of the one that answered."""

    payer: Decimal
    member: Decimal | None
    """Of the member's limit; None without one."""


@dataclass(frozen=True)
class Allowed:
    """A draw that was made, or for a check: that could be."""

    credits: Decimal
    """What was charged or set aside: for a hold with `min_credits` maybe less than asked."""
    payer: str
    """`pool` or `wallet`."""
    subscription: str
    remaining: Remaining
    id: str | None = None
    expires_at: datetime | None = None
    """Of a hold."""
    output_tokens: int | None = None
    """Of a hold with `usage`: how long the answer may be that is paid for."""
    replayed: bool = False
    """The same id was answered before."""


@dataclass(frozen=True)
class Denial:
    """Why not."""

    type: str
    title: str
    status: int
    """What to answer one's own caller with: 402, 403, 429 or 503."""
    reason: str
    detail: str
    member: str
    asked: Decimal
    retryable: bool
    """The same request may be allowed later without anybody's doing."""
    team: str | None = None
    model: str | None = None
    limit: Decimal | None = None
    used: Decimal | None = None
    held: Decimal | None = None
    remaining: Decimal | None = None
    debt: Decimal | None = None
    payer: str | None = None
    resets_at: datetime | None = None
    retry_after_ms: int | None = None
    next_step: str | None = None


@dataclass(frozen=True)
class Settled:
    """A settled hold. What is None is not known yet: another sidecar has the hold and is told."""

    charged: Decimal
    returned: Decimal | None
    debt: Decimal | None
    late: bool
    remaining: Remaining | None
    replayed: bool = False
    pending: bool = False


@dataclass(frozen=True)
class Released:
    """A cancelled hold."""

    returned: Decimal | None
    remaining: Remaining | None
    replayed: bool = False
    pending: bool = False


@dataclass(frozen=True)
class Extended:
    """A hold with a new expiry."""

    held: Decimal | None
    expires_at: datetime | None
    remaining: Remaining | None
    pending: bool = False


@dataclass(frozen=True)
class Refunded:
    """A debit that was given back, all or in part."""

    refunded: Decimal | None
    remaining: Remaining | None
    replayed: bool = False
    pending: bool = False


@dataclass(frozen=True)
class Window:
    """A billing month."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Features:
    """What a subscription unlocks."""

    private_workflows: bool
    save_history: bool
    model_whitelist: bool


@dataclass(frozen=True)
class MemberBalance:
    """What a member may still do."""

    team: str
    member: str
    access: str
    features: Features
    payer: str
    limit: Decimal | None
    used: Decimal
    held: Decimal
    remaining: Remaining
    window: Window | None
    lent: Decimal | None = None
    suspense: Decimal | None = None
    as_of: datetime | None = None


@dataclass(frozen=True)
class Funds:
    """Credits that pay: a team's pool, or a user's own."""

    subscription: str | None
    monthly: Decimal
    purchased: Decimal
    rollover: Decimal
    total: Decimal
    used: Decimal
    held: Decimal
    remaining: Decimal
    debt: Decimal
    seats: int
    window: Window | None
    lent: Decimal | None = None
    suspense: Decimal | None = None
    as_of: datetime | None = None


def read(kind: type[T], body: Mapping[str, Any]) -> T:
    """A model of what was answered. Fields of a later Purser are left out."""
    names = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    values = {name: _value(names[name], value) for name, value in body.items() if name in names}
    return kind(**values)


def _value(type_name: str, value: Any) -> Any:
    if value is None:
        return None
    base = type_name.removesuffix(" | None")
    if base == "Decimal":
        return Decimal(value)
    if base == "datetime":
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    nested: dict[str, type[Any]] = {"Remaining": Remaining, "Window": Window, "Features": Features}
    return read(nested[base], value) if base in nested else value
