"""LiteLLM asks Purser before each call and tells it afterwards what the call really used.

Copy this file beside LiteLLM's config.yaml and name it there:

    litellm_settings:
      callbacks: purser_litellm.purser

It needs nothing that LiteLLM does not bring. Settings are variables of the environment:

    PURSER_LITELLM_URL        http://HOST:PORT or unix:PATH; http://127.0.0.1:8080 when left out
    PURSER_LITELLM_TOKEN      a token with the role `gateway`; none when left out
    PURSER_LITELLM_WHEN_DOWN  `closed` (default): a call that Purser cannot decide is refused with 503;
                              `open`: it is made unmetered, logged and counted
    PURSER_LITELLM_TTL_MS     how long a hold stays open; 600000 when left out. Longer than any call takes.

Who pays is in the key's metadata: `purser_team` and `purser_member`; where they are missing, the key's
`team_id` and `user_id`. A key with neither is refused.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import litellm
from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

log = logging.getLogger("purser_litellm")

DECISION_SECONDS = 2.0
"""How long one request to Purser may take: it decides in microseconds, and the call waits for it."""

TRIES = 3
"""Sending again is safe: the same id is charged once."""

AWAY = (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError)
"""Purser cannot be reached, or what answers is not Purser."""

STATE = "purser"
"""Where a request's metadata has its open hold."""


class Purser(CustomLogger):
    """A hold before the call; settled after it, or released when it fails."""

    def __init__(self) -> None:
        super().__init__()
        url = os.environ.get("PURSER_LITELLM_URL", "http://127.0.0.1:8080")
        token = os.environ.get("PURSER_LITELLM_TOKEN")
        self._ttl_ms = int(os.environ.get("PURSER_LITELLM_TTL_MS", "600000"))
        when_down = os.environ.get("PURSER_LITELLM_WHEN_DOWN", "closed")
        if when_down not in ("closed", "open"):
            raise ValueError(f"PURSER_LITELLM_WHEN_DOWN is {when_down!r}; allowed are closed and open")
        self._open_when_down = when_down == "open"
        self.unmetered = 0
        """How many calls were made without Purser, where that is allowed."""
        self._ending: set[asyncio.Task[None]] = set()
        self._socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        self._url = "http://purser" if self._socket else url.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        # Not httpx, which takes several times as long for a request, and each call of a model waits for one.
        self._http: aiohttp.ClientSession | None = None

    # Before the call.

    async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: dict, call_type: str) -> dict:
        """Holds what the call may cost; refuses the call with the denial's own status."""
        # What a caller wrote there is not a hold of this call.
        data.setdefault("metadata", {}).pop(STATE, None)
        team, member = payer(user_api_key_dict)
        body = {
            # Not LiteLLM's call id: its caller may choose that, and a repeated id is paid once.
            "id": str(uuid.uuid4()),
            "team": team,
            "member": member,
            "model": data.get("model"),
            "usage": estimate(data),
            "ttl_ms": self._ttl_ms,
        }
        try:
            status, answer = await self._send("/v1/holds", body)
        except AWAY as error:
            return self._without_purser(data, f"{type(error).__name__} {error}".rstrip())
        if status == 422 and answer["code"] == "no_rate":
            raise refusal(400, "no_rate", answer["detail"])
        if status != 200:
            raise refusal(503, "unavailable", f"Purser refused the request: {status} {answer}")
        denial = answer.get("denial")
        if denial and denial["reason"] == "unavailable":
            return self._without_purser(data, denial["detail"])
        if denial:
            raise refusal(denial["status"], denial["reason"], denial["detail"], denial.get("retry_after_ms"))
        hold = {"id": answer["id"], "team": team, "member": member, "credits": answer["credits"]}
        data["metadata"][STATE] = hold
        return data

    def _without_purser(self, data: dict, why: str) -> dict:
        if not self._open_when_down:
            raise refusal(503, "unavailable", f"Credits cannot be checked: {why}", 1_000)
        self.unmetered += 1
        log.warning("call %s is made unmetered, the %dth so: %s", data.get("litellm_call_id"), self.unmetered, why)
        return data

    # After the call.

    async def async_log_success_event(self, kwargs: dict, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Settles with the real usage, of streams and of whole answers alike."""
        metadata = (kwargs.get("litellm_params") or {}).get("metadata") or {}
        hold = metadata.get(STATE)
        if hold:
            usage = getattr(response_obj, "usage", None)
            # What tells no tokens, such as an image, is charged as it was held.
            await self._end(hold, "settle", {"usage": used(usage)} if usage else {"credits": hold["credits"]})

    async def async_post_call_failure_hook(
        self, request_data: dict, original_exception: Exception, user_api_key_dict: Any, traceback_str: str | None = None
    ) -> None:
        """Releases the hold of a call that failed; also called after our own refusal, which held nothing."""
        hold = (request_data.get("metadata") or {}).get(STATE)
        if hold:
            await self._end(hold, "release", {})

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict
    ) -> AsyncGenerator[Any, None]:
        """Settles a stream whose caller leaves with the tokens that were sent until then."""
        parts: list[str] = []
        try:
            async for chunk in response:
                parts.append(text_of(chunk))
                yield chunk
        except (GeneratorExit, asyncio.CancelledError):
            hold = (request_data.get("metadata") or {}).get(STATE)
            if hold:
                self._end_later(hold, {"usage": so_far(request_data, "".join(parts))})
            raise

    def _end_later(self, hold: dict, body: dict) -> None:
        """The task of a request that is cancelled can wait for nothing more: another one tells."""
        task = asyncio.get_running_loop().create_task(self._end(hold, "settle", body))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, hold: dict, how: str, body: dict) -> None:
        scope = {name: hold[name] for name in ("team", "member")}
        try:
            status, answer = await self._send(f"/v1/holds/{hold['id']}/{how}", scope | body)
        except AWAY as error:
            log.error("hold %s could not be ended, it expires by itself: %s %s", hold["id"], type(error).__name__, error)
            return
        # 409: it has ended already, by the other of two hooks.
        if status not in (200, 409):
            log.error("hold %s could not be ended: %d %s", hold["id"], status, answer)

    async def _send(self, path: str, body: dict) -> tuple[int, dict]:
        present = {name: value for name, value in body.items() if value is not None}
        for attempt in range(1, TRIES + 1):
            try:
                async with self._session().post(f"{self._url}{path}", json=present) as response:
                    return response.status, json.loads(await response.read())
            except AWAY:
                if attempt == TRIES:
                    raise
            await asyncio.sleep(0.05 * attempt)
        raise AssertionError("the last try returns or raises")

    def _session(self) -> aiohttp.ClientSession:
        """The connections, made with the first request: only then is there a loop to make them in."""
        if self._http is None or self._http.closed:
            connector = aiohttp.UnixConnector(path=self._socket) if self._socket else aiohttp.TCPConnector()
            timeout = aiohttp.ClientTimeout(total=DECISION_SECONDS)
            self._http = aiohttp.ClientSession(connector=connector, headers=self._headers, timeout=timeout)
        return self._http


def payer(key: Any) -> tuple[str | None, str]:
    """Team and member of a key; refuses one that names nobody."""
    metadata = key.metadata or {}
    team = metadata.get("purser_team") or key.team_id
    member = metadata.get("purser_member") or key.user_id
    if not member:
        raise refusal(403, "not_a_member", "This key names neither purser_member in its metadata nor a user.")
    return team, member


def estimate(data: dict) -> dict:
    """What the call may use: the tokens of its prompt, and of the answer the most that it allows."""
    usage = {"input_tokens": prompt_tokens(data)}
    most = data.get("max_completion_tokens") or data.get("max_tokens")
    return usage | ({"output_tokens": most} if most else {})


def so_far(data: dict, sent: str) -> dict:
    """What a call had used when its caller left."""
    return {"input_tokens": prompt_tokens(data), "output_tokens": litellm.token_counter(text=sent) if sent else 0}


def prompt_tokens(data: dict) -> int:
    """Counted here, because the model has not said yet."""
    if data.get("messages"):
        return litellm.token_counter(messages=data["messages"], tools=data.get("tools"))
    text = data.get("input") or data.get("prompt") or ""
    return litellm.token_counter(text=text if isinstance(text, str) else str(text))


def used(usage: Any) -> dict:
    """LiteLLM's usage, which is OpenAI's, in Purser's words."""
    prompt = getattr(usage, "prompt_tokens_details", None)
    answer = getattr(usage, "completion_tokens_details", None)
    return {
        "input_tokens": getattr(usage, "prompt_tokens", None) or 0,
        "cached_input_tokens": getattr(prompt, "cached_tokens", None) or 0,
        "output_tokens": getattr(usage, "completion_tokens", None) or 0,
        "reasoning_tokens": getattr(answer, "reasoning_tokens", None) or 0,
    }


def text_of(chunk: Any) -> str:
    """What a chunk of a stream adds to the answer."""
    choices = getattr(chunk, "choices", None) or []
    return "".join(getattr(choice.delta, "content", None) or "" for choice in choices)


def refusal(status: int, reason: str, detail: str, retry_after_ms: int | None = None) -> HTTPException:
    """What the caller of LiteLLM is answered."""
    headers = {"retry-after": str(-(-retry_after_ms // 1_000))} if retry_after_ms else None
    return HTTPException(status_code=status, detail={"error": detail, "reason": reason}, headers=headers)


purser = Purser()
