"""Sizes and durations as people write them: 512M, 2h."""

from __future__ import annotations

from gaoler.errors import Usage

_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DURATIONS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _split(text: str, plain: str, units: dict[str, int], what: str, example: str) -> int:
    number = plain
    unit = ""
    while number and not number[-1].isdigit():
        unit = number[-1] + unit
        number = number[:-1]
    whole, _, part = number.partition(".")
    digits = whole + part
    if not (digits.isascii() and digits.isdigit() and whole) or len(number) > 15 or unit not in units:
        raise Usage(f'"{text[:40]}" is not a {what}', f"a number and one of {' '.join(filter(None, units))}", example)
    scale: int = 10 ** len(part)
    return int(whole + part) * units[unit] // scale


def size(text: str) -> int:
    """Bytes of `512M`, `1.5G`, `1048576`. Powers of 1024. Raises Usage."""
    plain = text.strip().upper().removesuffix("B").removesuffix("I")
    return _split(text, plain, _SIZES, "size", "512M")


def duration(text: str) -> int:
    """Seconds of `90`, `30m`, `1.5h`, `1d`. Raises Usage."""
    return _split(text, text.strip(), _DURATIONS, "duration", "2h")


def time_to_live(text: str) -> int:
    """Seconds of `2h`. Raises Usage, also without a unit: whoever says 2 means no seconds."""
    seconds = duration(text)
    if text.strip()[-1].isdigit():
        raise Usage(f'"{text[:40]}" has no unit', "s, m, h, d and w are: seconds to weeks", f"{text.strip()[:40]}h")
    return seconds


def number(text: str) -> float:
    """`1.5`. Raises Usage, also for infinity and for what is not a number: neither can be told in JSON."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise Usage(f'"{text[:40]}" is not a number', "digits, perhaps with a point, are expected", "2")
    return value


def show_size(count: float) -> str:
    """1073741824 as `1G`; what isn't a whole number of units has one decimal."""
    value, unit = float(count), ""
    for unit in ("", "K", "M", "G", "T"):
        if value < 1024 or unit == "T":
            break
        value /= 1024
    return f"{value:.0f}{unit}" if value == int(value) or not unit else f"{value:.1f}{unit}"


def show_duration(seconds: float) -> str:
    """3700 as `1h1m`: the two largest units."""
    left = max(0, int(seconds))
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= length:
            parts.append(f"{left // length}{unit}")
            left %= length
        if len(parts) == 2:
            break
    return "".join(parts) or "0s"
