"""An example of keys without a database: from a key to who pays. Replace it with your own, or with LiteLLM's keys."""

from fastapi import Request
from litellm.proxy._types import ProxyException, UserAPIKeyAuth

KEYS = {
    "key-of-ana": {"purser_team": "acme", "purser_member": "ana"},
    "key-of-eve": {"purser_team": "acme", "purser_member": "eve"},
}


async def user_api_key_auth(request: Request, api_key: str) -> UserAPIKeyAuth:
    """Who calls; an unknown key is refused."""
    if api_key not in KEYS:
        raise ProxyException(message="Unknown key", type="auth_error", param="key", code=401)
    return UserAPIKeyAuth(api_key=api_key, metadata=KEYS[api_key])
