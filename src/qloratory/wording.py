"""Numbers as the report writes them; one that is missing or not finite is told in words."""

import math
from typing import Any, TypeGuard

from qloratory.data import Row


def is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def in_words(value: float | None) -> str:
    return "not measured" if value is None else "not a number"


def number(value: float | None, digits: int = 0) -> str:
    """With commas at the thousands."""
    return f"{value:,.{digits}f}" if is_number(value) else in_words(value)


def small(value: float | None) -> str:
    """Two significant digits, of whatever size."""
    return f"{value:.2g}" if is_number(value) else in_words(value)


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 as "92.5 %". It is never rounded to all or to nothing: 0.99996 is "99.996 %"."""
    if not is_number(share):
        return in_words(share)
    text = f"{100 * share:.{digits}f}"
    if float(text) in (0, 100) and share not in (0, 1) and digits < 6:
        return percent(share, digits + 1)
    return f"{text.rstrip('0').rstrip('.')} %"


def interval(score: Row, form: Any) -> str:
    """Bounds of the 95 % interval, each in the form of the value, and n."""
    if not score["ci95"]:
        return f"n = {number(score['n'])}"
    low, high = (form(bound) for bound in score["ci95"])
    return f"{low.removesuffix(' %')} to {high}, n = {number(score['n'])}"


def ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if is_number(part) and is_number(whole) and whole else None
