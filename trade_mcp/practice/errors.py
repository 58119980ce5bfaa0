"""Errors: what the exchange answers when it says no. Codes, words and HTTP status are Binance's published ones."""

from typing import Any


class ApiError(Exception):
    """``{"code": code, "msg": msg}`` with an HTTP ``status``; ``more`` stands beside them, ``headers`` go with them."""

    def __init__(
        self, code: int, msg: str, *, status: int = 400, more: dict[str, Any] | None = None, retry_after_s: int = 0
    ):
        super().__init__(msg)
        self.code, self.msg, self.status, self.retry_after_s = code, msg, status, retry_after_s
        self.body: dict[str, Any] = {"code": code, "msg": msg, **(more or {})}


def missing(name: str) -> ApiError:
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def not_required(name: str) -> ApiError:
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def illegal(name: str, legal: str) -> ApiError:
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def too_precise(name: str) -> ApiError:
    return ApiError(-1111, f"Parameter '{name}' has too much precision.")


def filtered(name: str) -> ApiError:
    """A filter of the symbol says no."""
    return ApiError(-1013, f"Filter failure: {name}")


def rejected(msg: str) -> ApiError:
    """The order cannot be; the words say why, and clients decide by them."""
    return ApiError(-2010, msg)


def no_such_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")


def unknown_order() -> ApiError:
    """Nothing to cancel."""
    return ApiError(-2011, "Unknown order sent.")


def no_such_order() -> ApiError:
    return ApiError(-2013, "Order does not exist.")


def bad_restrictions() -> ApiError:
    return ApiError(-1145, "Invalid cancelRestrictions")


def wrong_client_id() -> ApiError:
    """Both ids were sent, of different orders."""
    return ApiError(-2039, "Client order ID is not correct for this order ID.")


def bad_key() -> ApiError:
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


INSUFFICIENT = "Account has insufficient balance for requested action."
WOULD_TAKE = "Order would immediately match and take."
WOULD_TRIGGER = "Order would trigger immediately."
DUPLICATE = "Duplicate order sent."
CLOSED = "Market is closed."
BAD_RELATION = "The relationship of the prices for the orders is not correct."
UNSUPPORTED = "Unsupported order combination"
