"""Secrets: from the environment, else from the keyring of the operating system where one is installed. Never a file."""

from pydantic import SecretStr

SERVICE = "trade-mcp"


def secret(name: str, given: SecretStr | None) -> str:
    """What was given (by the environment), else what the keyring has under ``name``, else "". No log prints it."""
    if found := _found(name, given):
        from trade_mcp.logs.redact import hide

        lines = found.replace("\\n", "\n").splitlines()  # of a private key, which a traceback may show one by one
        hide([found, *(line for line in lines if not line.startswith("-----"))])
    return found


def _found(name: str, given: SecretStr | None) -> str:
    if given is not None:
        return given.get_secret_value()
    try:
        import keyring  # the extra `keyring`
    except ImportError:
        return ""
    try:
        return keyring.get_password(SERVICE, name) or ""
    except Exception:  # none is running here, or it is locked: each kind says so in its own way
        return ""


def keep_secret(name: str, value: str) -> bool:
    """Store ``value`` in the keyring; False where there is none."""
    try:
        import keyring
    except ImportError:
        return False
    try:
        keyring.set_password(SERVICE, name, value)
    except Exception:  # as above
        return False
    return True
