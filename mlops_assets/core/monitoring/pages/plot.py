"""Axes of small pictures in SVG: places of values, lines, labels.

An SVG in the page takes a millisecond and a few kB where a bitmap takes a tenth of a second and 30 kB, stays sharp in
print, and its text can be read out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mlops_assets.core.monitoring.pages.markup import fill, joined, number

WIDTH = 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 8, 22
_CHARACTER = 6.2
"""Units of a letter of the axes' labels, roughly."""


@dataclass(frozen=True)
class Plot:
    """A picture's axes, in units of their own: 420 wide where nothing else is said, text of 11."""

    x_ends: tuple[float, float]
    y_ends: tuple[float, float]
    height: int = 170
    width: int = WIDTH

    def x(self, value: float) -> float:
        """Return the place of a value from the left."""
        return round(_LEFT + (self.width - _LEFT - _RIGHT) * _share(value, self.x_ends), 1)

    def y(self, value: float) -> float:
        """Return the place of a value from the top."""
        return round(self.height - _BOTTOM - (self.height - _TOP - _BOTTOM) * _share(value, self.y_ends), 1)

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        """Return the corners of a line through points of data, as SVG has them."""
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in zip(xs, ys, strict=True))

    def y_axis(self) -> Markup:
        """Return lines across the picture at round values, with the values beside."""
        return joined(
            *(
                fill(
                    '<line class="grid-line" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
                    '<text x="{beside}" y="{below}" text-anchor="end">{label}</text>',
                    left=_LEFT,
                    right=self.width - _RIGHT,
                    y=self.y(value),
                    beside=_LEFT - 5,
                    below=self.y(value) + 4,
                    label=number(value),
                )
                for value in round_values(*self.y_ends)
            )
        )

    def x_axis(self, labels: Sequence[tuple[float, str]]) -> Markup:
        """Return the base line, with labels under their places; those that would run into each other are left out."""
        line = fill(
            '<line class="axis" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>',
            left=_LEFT,
            right=self.width - _RIGHT,
            y=self.height - _BOTTOM,
        )
        shown, end = [], -math.inf
        for value, label in labels:
            half = _CHARACTER * len(label) / 2
            middle = min(max(self.x(value), half), self.width - half)
            if middle - half < end:
                continue
            end = middle + half + _CHARACTER
            shown.append(
                fill(
                    '<text x="{x}" y="{y}" text-anchor="middle">{label}</text>',
                    x=round(middle, 1),
                    y=self.height - 6,
                    label=label,
                )
            )
        return joined(line, *shown)

    def level(self, value: float, kind: str) -> Markup:
        """Return a line across the picture at a value, of a class of the style."""
        return fill(
            '<line class="{kind}" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>',
            kind=kind,
            left=_LEFT,
            right=self.width - _RIGHT,
            y=self.y(value),
        )

    def svg(self, label: str, *parts: Markup, role: str = "img") -> Markup:
        """Return the picture. label: what it shows, for who cannot see it. role: `group` where parts are links."""
        return fill(
            '<svg viewBox="0 0 {width} {height}" role="{role}" aria-label="{label}">{parts}</svg>',
            width=self.width,
            height=self.height,
            role=role,
            label=label,
            parts=joined(*parts),
        )


def round_values(low: float, high: float, *, about: int = 4) -> tuple[float, ...]:
    """Return round numbers between two, about so many: multiples of 1, 2 or 5 of a power of ten."""
    if not high > low:
        return (low,)
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(place * step for place in range(first, last + 1))


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5
