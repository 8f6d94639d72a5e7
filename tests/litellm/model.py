"""A model API as OpenAI's: says the words that it is asked for, streamed or not, and knows how to fail."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

app = FastAPI()
calls = 0


@app.get("/calls")
async def count() -> int:
    return calls


@app.post("/v1/chat/completions")
async def chat(request: Request):
    global calls
    calls += 1
    asked = await request.json()
    words = asked["messages"][-1]["content"].split()
    if words[0] == "fail":
        return JSONResponse({"error": {"message": "the model is broken", "type": "server_error"}}, status_code=500)
    usage = {"prompt_tokens": 100, "completion_tokens": len(words), "total_tokens": 100 + len(words)}
    if asked.get("stream"):
        told = usage if (asked.get("stream_options") or {}).get("include_usage") else None
        return StreamingResponse(stream(words, told), media_type="text/event-stream")
    message = {"role": "assistant", "content": " ".join(words)}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "c", "object": "chat.completion", "created": int(time.time()), "model": "gpt-4o", "choices": choices, "usage": usage}


async def stream(words: list[str], usage: dict | None):
    def chunk(**fields: object) -> str:
        body = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "gpt-4o", "choices": []} | fields
        return f"data: {json.dumps(body)}\n\n"

    for number, word in enumerate(words):
        if word == "break":
            raise RuntimeError("the connection breaks here")
        delta = {"role": "assistant", "content": ("" if number == 0 else " ") + word}
        yield chunk(choices=[{"index": 0, "delta": delta, "finish_reason": None}])
        await asyncio.sleep(0.1)
    yield chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    if usage:
        yield chunk(usage=usage)
    yield "data: [DONE]\n\n"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
