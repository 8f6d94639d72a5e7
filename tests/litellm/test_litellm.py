"""Calls through LiteLLM, made with OpenAI's client: what each is charged, and what a denied caller sees."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal

import httpx
import openai
import pytest

from conftest import Place


def client(place: Place, key: str = "key-of-ana", proxy: str | None = None) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=proxy or place.proxy, api_key=key, max_retries=0, timeout=60)


def asked(words: str, **more: object) -> dict:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": words}], "max_tokens": 200} | more


def cost(words: int) -> Decimal:
    """Of a call: the model counts 100 tokens of a prompt and one for each word; rates.toml has the rates."""
    return 100 * Decimal("0.001") + words * Decimal("0.01")


async def read(stream: openai.AsyncStream, most: int | None = None) -> str:
    """What a stream says; the caller leaves after `most` chunks."""
    text, chunks = "", 0
    async for chunk in stream:
        text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        chunks += 1
        if chunks == most:
            break
    await stream.close()
    return text


async def denied(place: Place, key: str = "key-of-ana", **more: object) -> openai.APIStatusError:
    """What the client of a denied call raises; the page docs/gateways.md shows it."""
    before = place.calls()
    async with client(place, key) as caller:
        with pytest.raises(openai.APIStatusError) as raised:
            await caller.chat.completions.create(**asked("one two three", **more))
    assert place.calls() == before, "a denied call does not reach the model"
    error = raised.value
    print(f"\n{type(error).__name__} {error.status_code} {error.body}")
    return error


def reason(error: openai.APIStatusError) -> str:
    return error.body["provider_specific_fields"]["reason"]


async def test_a_call_is_charged_what_it_used(place: Place) -> None:
    async with client(place) as ana:
        whole = await ana.chat.completions.create(**asked("one two three"))
        assert whole.choices[0].message.content == "one two three"
    assert place.spent() == cost(3)
    held = place.entries("held")
    assert [(row["member"], row["model"]) for row in held] == [("ana", "gpt-4o")]


async def test_a_stream_is_charged_what_it_used(place: Place) -> None:
    async with client(place) as ana:
        assert await read(await ana.chat.completions.create(**asked("one two three four", stream=True))) == "one two three four"
    assert place.spent() == cost(4)


async def test_of_many_streams_half_are_cut_and_every_hold_ends(place: Place) -> None:
    words = " ".join(["word"] * 40)

    async def call(ana: openai.AsyncOpenAI, number: int) -> None:
        stream = await ana.chat.completions.create(**asked(words, stream=True))
        await read(stream, most=5 if number % 2 else None)

    async with client(place) as ana:
        await asyncio.gather(*(call(ana, number) for number in range(50)))
    total = place.spent()
    charged = sorted(Decimal(row["credits"]) for row in place.entries("settled"))
    assert (len(charged), len(place.entries("released"))) == (50, 0)
    # Those that were read to their end cost the same; a cut one what was counted of its prompt and of what it had sent.
    assert charged.count(cost(40)) >= 25
    assert all(0 < credits <= cost(40) for credits in charged)
    assert total < 50 * cost(40)


async def test_a_call_that_fails_costs_nothing(place: Place) -> None:
    async with client(place) as ana:
        for words, stream in [("fail now", False), ("fail now", True), ("one two break", True)]:
            with pytest.raises(openai.APIError):
                answer = await ana.chat.completions.create(**asked(words, stream=stream))
                await read(answer)
    assert place.spent() == 0
    assert len(place.entries("released")) == 3


async def test_a_caller_chooses_neither_who_pays_nor_the_id(place: Place) -> None:
    chosen = str(uuid.uuid4())
    lies = {"purser": {"id": chosen, "team": "acme", "member": "olga"}, "purser_member": "olga"}
    async with client(place) as ana:
        for _ in range(2):
            headers = {"x-litellm-call-id": chosen, "purser-member": "olga"}
            await ana.chat.completions.create(**asked("one two", extra_headers=headers, extra_body={"metadata": lies}))
    assert place.spent() == 2 * cost(2)
    assert {row["member"] for row in place.entries("settled")} == {"ana"}


async def test_a_member_at_its_limit_is_told(place: Place) -> None:
    place.set_ana(limit="0")
    error = await denied(place)
    assert isinstance(error, openai.PermissionDeniedError)
    assert (error.status_code, reason(error)) == (403, "member_limit")
    assert "of 0 credits of this window in team acme" in error.body["message"]
    assert (await denied(place, stream=True)).status_code == 403
    assert place.spent() == 0


async def test_who_is_not_a_member_is_told(place: Place) -> None:
    error = await denied(place, "key-of-eve")
    assert (error.status_code, reason(error)) == (403, "not_a_member")


async def test_an_unknown_key_is_refused(place: Place) -> None:
    error = await denied(place, "guessed")
    assert isinstance(error, openai.AuthenticationError)
    assert place.entries("held") == []


async def test_an_exhausted_pool_is_told(place: Place) -> None:
    left = place.get("/v1/teams/acme/pool")["remaining"]
    body = {"id": str(uuid.uuid4()), "team": "acme", "member": "olga", "credits": left}
    httpx.post(f"{place.purser}/v1/holds", json=body).raise_for_status()
    try:
        error = await denied(place)
        assert isinstance(error, openai.RateLimitError)
        assert (error.status_code, reason(error)) == (429, "held")
        assert int(error.response.headers["retry-after"]) >= 1
        debit = httpx.post(f"{place.purser}/v1/holds/{body['id']}/settle", json={"team": "acme", "credits": left})
        debit.raise_for_status()
        error = await denied(place)
        assert type(error) is openai.APIStatusError
        assert (error.status_code, reason(error)) == (402, "pool_exhausted")
    finally:
        purchase = {"id": str(uuid.uuid4()), "credits": left}
        httpx.post(f"{place.purser}/v1/subscriptions/sub_1/purchases", json=purchase).raise_for_status()


async def test_a_model_without_a_rate_is_refused(place: Place) -> None:
    error = await denied(place, model="unpriced")
    assert isinstance(error, openai.BadRequestError)
    assert (error.status_code, reason(error)) == (400, "no_rate")


async def test_a_unix_socket_does_as_well(place: Place) -> None:
    proxy = place.start_proxy("socket", url=f"unix:{place.socket}")
    async with client(place, proxy=proxy) as ana:
        await ana.chat.completions.create(**asked("one two three"))
    assert place.spent() == cost(3)


async def test_without_purser_calls_are_refused_or_made_as_configured(place: Place) -> None:
    nobody = "http://127.0.0.1:9"
    closed = place.start_proxy("closed", url=nobody)
    open_ = place.start_proxy("open", url=nobody, when_down="open")
    async with client(place, proxy=closed) as ana:
        with pytest.raises(openai.InternalServerError) as raised:
            await ana.chat.completions.create(**asked("one two three"))
    assert raised.value.status_code == 503
    assert place.calls() == place.called
    async with client(place, proxy=open_) as ana:
        answer = await ana.chat.completions.create(**asked("one two three"))
        assert answer.choices[0].message.content == "one two three"
    assert place.calls() == place.called + 1
    assert "is made unmetered, the 1th so" in (place.folder / "open.log").read_text()
