"""What the client sends and reads is what the OpenAPI document of a running Purser says."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from inspect import signature
from typing import Any

import pytest

import purser
from purser import _calls
from purser._calls import Scope

SCOPE = Scope("acme", "ana")
USAGE = purser.Usage(input_tokens=1, output_tokens=2, cached_input_tokens=1)
CALLS = {
    "/v1/debits": _calls.draw(
        "debits", member="ana", team="acme", credits=1, usage=USAGE, model="m", id="i", ttl_ms=1000, min_credits=1
    ),
    "/v1/holds": _calls.draw("holds", member="ana", team="acme", credits=1),
    "/v1/checks": _calls.draw("checks", member="ana", team="acme", credits=1),
    "/v1/holds/{id}/settle": _calls.settle("{id}", SCOPE, 1, USAGE, "m"),
    "/v1/holds/{id}/release": _calls.release("{id}", SCOPE),
    "/v1/holds/{id}/extend": _calls.extend("{id}", SCOPE, 1000),
    "/v1/debits/{id}/refund": _calls.refund("{id}", SCOPE, 1, "i"),
    "/v1/teams/{team}/members/{member}/balance": _calls.member_balance("{team}", "{member}"),
    "/v1/teams/{team}/pool": _calls.pool("{team}"),
    "/v1/users/{user}/balance": _calls.user_balance("{user}"),
}
MODELS = {
    "Allow": purser.Allowed,
    "Denial": purser.Denial,
    "Settled": purser.Settled,
    "Released": purser.Released,
    "Extended": purser.Extended,
    "Refunded": purser.Refunded,
    "MemberBalance": purser.MemberBalance,
    "Funds": purser.Funds,
    "Left": purser.Remaining,
    "Window": purser.Window,
    "Features": purser.Features,
    "Usage": purser.Usage,
}


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """All properties of a schema, with what it refers to and is made of."""
    if name := schema.get("$ref"):
        return resolve(document, document["components"]["schemas"][name.rsplit("/", 1)[1]])
    properties = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        properties |= resolve(document, part)
    return properties


@pytest.mark.parametrize("route", CALLS)
def test_each_call_is_a_route_with_these_fields(document: dict[str, Any], route: str) -> None:
    call = CALLS[route]
    assert call.path.replace("%7B", "{").replace("%7D", "}") == route
    operation = document["paths"][route][call.method.lower()]
    if call.body is None:
        assert "requestBody" not in operation
        return
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    sent, known = set(call.body), set(resolve(document, schema))
    assert sent <= known
    if len(sent) > 4 or route.count("/") > 3:
        assert sent == known, "the client can say all that the route takes"


@pytest.mark.parametrize("name", MODELS)
def test_each_model_has_the_fields_of_its_schema(document: dict[str, Any], name: str) -> None:
    schema = document["components"]["schemas"][name]
    assert {field.name for field in fields(MODELS[name])} == set(resolve(document, schema))


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type) -> dict[str, list[str]]:
        names = [name for name in vars(kind) if not name.startswith("_")]
        return {name: list(signature(getattr(kind, name)).parameters) for name in names if callable(getattr(kind, name))}

    assert public(purser.Client) == public(purser.AsyncClient)
    assert public(purser.Hold) == public(purser.AsyncHold)


def test_amounts_are_plain_digits() -> None:
    assert [_calls.amount(Decimal(text)) for text in ("1E+3", "0.000001", "9E-6")] == ["1000", "0.000001", "0.000009"]
