"""Client of Purser, the usage-metering sidecar: may this member spend these credits now?

`Client` blocks, `AsyncClient` awaits; both have the same methods. A denial is raised as `Denied`, so
that a forgotten check cannot let an unpaid call through.
"""

from ._async_client import AsyncClient, AsyncHold
from ._client import Client, Hold
from ._errors import Denied, Problem, PurserError, Unreachable
from ._models import (
    Allowed,
    Denial,
    Extended,
    Features,
    Funds,
    MemberBalance,
    Refunded,
    Released,
    Remaining,
    Settled,
    Usage,
    Window,
)

__all__ = [
    "Allowed",
    "AsyncClient",
    "AsyncHold",
    "Client",
    "Denial",
    "Denied",
    "Extended",
    "Features",
    "Funds",
    "Hold",
    "MemberBalance",
    "Problem",
    "PurserError",
    "Refunded",
    "Released",
    "Remaining",
    "Settled",
    "Unreachable",
    "Usage",
    "Window",
]
