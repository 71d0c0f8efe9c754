"""A line chart as SVG: text, lines and circles, no library."""

import math
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 78, 30, 92, 58
COLOURS = ("#0b6aa2", "#c8442f", "#3d7a3a")
INK, GREY, GRID = "#1d1d1f", "#5f6368", "#e3e5e8"
FONT = "-apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"


def short(value: float) -> str:
    """1, 10, 300k, 2.5M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


@dataclass
class Series:
    """Points of one line, each x, y, and the least and the greatest of the runs."""

    name: str
    points: list[tuple[float, float, float, float]]
    labels: int = 0
    """Write the values: 1 above the points, -1 below, 0 not at all."""
    joined: bool = True


@dataclass
class Axis:
    title: str
    log: bool = False
    least: float | None = None
    most: float | None = None
    ticks: list[float] = field(default_factory=list)

    def fit(self, values: list[float]):
        """Chooses where the axis begins and ends, and its ticks."""
        low, high = min(values), max(values)
        if self.log:
            self.least, self.most = self.least or low / 1.35, self.most or high * 1.35
            if not self.ticks:
                decades = range(math.floor(math.log10(self.least)), math.ceil(math.log10(self.most)) + 1)
                steps = (1,) if self.most / self.least > 200 else (1, 2, 5)
                self.ticks = [step * 10.0**decade for decade in decades for step in steps]
        else:
            self.least, self.most = 0.0, self.most or high * 1.12
            rough = self.most / 5
            unit = 10.0 ** math.floor(math.log10(rough))
            step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= rough)
            self.most = math.ceil(self.most / step) * step
            self.ticks = self.ticks or [n * step for n in range(round(self.most / step) + 1)]
        self.ticks = [tick for tick in self.ticks if self.least <= tick <= self.most * 1.0001]

    def place(self, value: float) -> float:
        """0 at the beginning of the axis, 1 at its end."""
        if self.log:
            return math.log(value / self.least) / math.log(self.most / self.least)
        return (value - self.least) / (self.most - self.least)


def chart(title: str, x: Axis, y: Axis, series: list[Series], level: tuple[float, str] | None = None) -> str:
    """The whole file. `level` is a dashed line across, with what it means."""
    x.fit([point[0] for line in series for point in line.points])
    y.fit([value for line in series for point in line.points for value in point[1:]] + ([level[0]] if level else []))

    def across(value: float) -> float:
        return LEFT + x.place(value) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="{FONT}" font-size="13" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
        _text(20, 30, title, size=17, weight=600),
    ]
    for tick in y.ticks:
        parts.append(_line(LEFT, up(tick), WIDTH - RIGHT, up(tick), GRID))
        parts.append(_text(LEFT - 8, up(tick) + 4.5, short(tick), anchor="end", colour=GREY))
    for tick in x.ticks:
        parts.append(_line(across(tick), HEIGHT - BOTTOM, across(tick), HEIGHT - BOTTOM + 5, GREY))
        parts.append(_text(across(tick), HEIGHT - BOTTOM + 21, short(tick), anchor="middle", colour=GREY))
    parts.append(_line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, GREY))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x.title, anchor="middle"))
    parts.append(_text(20, 54, y.title))
    parts += _legend(series, level[1] if level else "") if len(series) > 1 else []
    if level:
        parts.append(_line(LEFT, up(level[0]), WIDTH - RIGHT, up(level[0]), GREY, dashes="5 4"))
    for line, colour in zip(series, COLOURS):
        parts += _draw(line, colour, across, up)
    return "\n".join([*parts, "</svg>", ""])


def _draw(line: Series, colour: str, across, up) -> list[str]:
    parts = []
    if line.joined:
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y, _, _ in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for x, y, low, high in line.points:
        parts.append(_line(across(x), up(low), across(x), up(high), colour, opacity=0.55))
        parts.append(f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="4" fill="{colour}"/>')
        if line.labels:
            at = up(y) - 10 if line.labels > 0 else up(y) + 19
            parts.append(_text(across(x), at, short(y), anchor="middle", colour=colour, size=12, halo=True))
    return parts


def _legend(series: list[Series], level: str) -> list[str]:
    parts, at = [], 20.0
    for line, colour in zip(series, COLOURS):
        parts.append(f'<circle cx="{at + 5:.1f}" cy="73" r="5" fill="{colour}"/>')
        parts.append(_text(at + 16, 77.5, line.name))
        at += 16 + len(line.name) * 7.4 + 24
    if level:
        parts.append(_line(at, 73, at + 24, 73, GREY, dashes="5 4"))
        parts.append(_text(at + 32, 77.5, level))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "", opacity: float = 1) -> str:
    more = (f' stroke-dasharray="{dashes}"' if dashes else "") + (f' opacity="{opacity}"' if opacity != 1 else "")
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{more}/>'


def _text(x: float, y: float, text: str, anchor="start", colour=INK, size=13, weight=400, halo=False) -> str:
    around = ' stroke="#ffffff" stroke-width="4" stroke-linejoin="round" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}" '
        f'font-weight="{weight}"{around}>{escape(text)}</text>'
    )
