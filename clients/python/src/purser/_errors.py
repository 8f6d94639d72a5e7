"""What goes wrong, by what the caller can do about it."""

from __future__ import annotations

from ._models import Denial


class PurserError(Exception):
    """Whatever keeps a call from being paid for."""


class Denied(PurserError):
    """The member may not spend this now; nothing has changed."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(f"{denial.title}: {denial.detail}")
        self.denial = denial
        """Why, with the numbers, the status to answer with and the way out."""


class Problem(PurserError):
    """The request was refused as it stands: sending it again does not help."""

    def __init__(self, status: int, code: str, detail: str, pointer: str | None) -> None:
        where = f" at {pointer}" if pointer else ""
        super().__init__(f"{status} {code}{where}: {detail}")
        self.status = status
        self.code = code
        """A word for programs, such as `hold_ended`; the OpenAPI document lists all."""
        self.detail = detail
        self.pointer = pointer
        """Which field, where one is to blame."""


class Unreachable(PurserError):
    """Purser did not answer, or cannot now, after all tries. A draw may have been made: the same id tells."""
