"""Ping: ask the address of a dead man's switch. The address is a secret: it stands in no error and no log."""

TIMEOUT_S = 5.0  # for every step of the conversation
LONGEST = 10_000  # characters of a body that healthchecks.io keeps


def ping(url: str, body: str = "") -> str:
    """GET ``url``, or POST ``body`` to it; what went wrong, or ""."""
    import httpx  # only where a switch is set: it costs a start 0.1 s

    try:
        if body:
            answer = httpx.post(url, content=body[:LONGEST].encode(), timeout=TIMEOUT_S)
        else:
            answer = httpx.get(url, timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"it could not be reached: {type(error).__name__}"
    return "" if answer.is_success else f"it answered {answer.status_code}"
