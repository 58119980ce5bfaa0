"""Figures: numbers, times and names as people read them."""

from decimal import Decimal


def clean(text: str, width: int = 40) -> str:
    """Outside text without control characters, cut: a name must not paint the terminal.

    >>> clean("ema\x1b[31m_cross", width=9)
    'ema?[31m…'
    """
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= width else plain[: width - 1] + "…"


def clock(at: str) -> str:
    """A time of the JSON to the minute."""
    return at[:16].replace("T", " ")


def amount(money: Decimal | str | None) -> str:
    """Money to the cent.

    >>> amount("-1234.5678"), amount(None)
    ('-1,234.57', '?')
    """
    return "?" if money is None else f"{Decimal(money):,.2f}"


def price(number: Decimal | str | None) -> str:
    """A price or a size with six digits, trailing zeros cut.

    >>> price("27123.4567"), price("0.000012345678"), price("100.50"), price(None)
    ('27,123.5', '0.0000123457', '100.5', '-')
    """
    if number is None:
        return "-"
    value = Decimal(number)
    places = max(0, 5 - value.adjusted()) if value else 0
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(fraction: float | None, places: int = 1) -> str:
    return "-" if fraction is None else f"{fraction:.{places}%}"


def ratio(number: float | None) -> str:
    return "-" if number is None else f"{number:.2f}"


def signed(money: Decimal | None) -> str:
    """Money to the cent with its sign.

    >>> signed(Decimal("95.9")), signed(Decimal("-0.001")), signed(Decimal(0))
    ('+95.90', '0.00', '0.00')
    """
    if money is None:
        return "?"
    text = f"{money:+,.2f}"
    return text[1:] if Decimal(text.replace(",", "")) == 0 else text


def gain(fraction: float | None) -> str:
    """A change in percent with its sign.

    >>> gain(0.0123), gain(-0.5), gain(None)
    ('+1.23%', '-50.00%', 'unknown')
    """
    return "unknown" if fraction is None else f"{fraction:+.2%}"


def many(count: int, one: str, several: str = "") -> str:
    """A number of things.

    >>> many(1, "trade"), many(1200, "trade"), many(0, "loss", "losses")
    ('1 trade', '1,200 trades', '0 losses')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def listed(names: list[str], most: int = 4) -> str:
    """Names in a sentence.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], most=2)
    ('a, b and c', 'a, b and 1 more')
    """
    shown = names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else ""
