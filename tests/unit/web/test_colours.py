"""Text can be read on whatever the page puts it on, by day and by night: WCAG 2.2's contrast of level AA, 4.5 to 1."""

from __future__ import annotations

import re

import pytest

from gaoler import places

SHEET = (places.TREE / "src/gaoler/web/static/style.css").read_text()
THEMES = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block)) for block in re.findall(r"\{([^{}]*--page:[^{}]*)\}", SHEET)]
TEXT = ("text", "quiet", "good", "busy", "bad", "off", "accent")
GROUNDS = ("page", "card", "hover", "bad-soft")


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_right():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES, ids=("light", "dark by the system", "dark by choice"))
def test_text_can_be_read_on_every_ground(theme):
    pairs = {(text, ground): contrast(theme[text], theme[ground]) for text in TEXT for ground in GROUNDS}
    pairs["on-accent", "accent"] = contrast(theme["on-accent"], theme["accent"])
    pairs |= {
        (name, "term"): contrast(colour, theme["term"])
        for name, colour in theme.items()
        if re.fullmatch(r"term-text|ansi-[1-6]", name)
    }
    assert not {pair: round(found, 2) for pair, found in pairs.items() if found < 4.5}
