"""A plot as SVG, without a library: cost against delay, both on logarithmic axes, with the ranges of the runs."""

import html
import math

WIDTH, HEIGHT = 860, 560
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 56, 64
COLOURS = ["#1f77b4", "#d62728", "#7f7f7f", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#17becf"]
TEXT = 'font-family="sans-serif" font-size="{size}" fill="#222"'


class Axis:
    """A logarithmic axis that begins and ends at 1, 2 or 5 times a power of ten."""

    def __init__(self, values, begin, end):
        self.begin, self.end = begin, end
        steps = [factor * 10.0**power for power in range(-4, 7) for factor in (1, 2, 5)]
        low = max(step for step in steps if step <= min(values))
        high = min(step for step in steps if step > max(values))
        self.ticks = [step for step in steps if low <= step <= high]
        self.low, self.high = low, high

    def at(self, value):
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)


def text(x, y, words, anchor="start", size=12, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {TEXT.format(size=size)} {extra}>{html.escape(words)}</text>'


def svg(title, x_title, y_title, series):
    """The plot of `series`: names, each with its points (label, x, y, (least y, greatest y)), joined in their order."""
    points = [point for of_one in series.values() for point in of_one]
    x_axis = Axis([x for _, x, _, _ in points], LEFT, WIDTH - RIGHT)
    y_axis = Axis([y for _, _, _, ys in points for y in ys], HEIGHT - BOTTOM, TOP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 28, title, size=15),
    ]
    for tick in x_axis.ticks:
        x = x_axis.at(tick)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        out.append(text(x, HEIGHT - BOTTOM + 18, f"{tick:g}", "middle"))
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(text(LEFT - 8, y + 4, f"{tick:g}", "end"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 18, x_title, "middle", 13))
    out.append(text(24, middle, y_title, "middle", 13, f'transform="rotate(-90 24 {middle:.1f})"'))
    for index, (name, of_one) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x_axis.at(x):.1f},{y_axis.at(y):.1f}" for _, x, y, _ in of_one)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for label, x, y, (least, greatest) in of_one:
            x, y = x_axis.at(x), y_axis.at(y)
            out.append(
                f'<line x1="{x:.1f}" y1="{y_axis.at(least):.1f}" x2="{x:.1f}" y2="{y_axis.at(greatest):.1f}" stroke="{colour}"/>'
            )
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            out.append(text(x + 6, y - 6, label, size=10))
        y = TOP + 12 + 22 * index
        out.append(f'<circle cx="{WIDTH - RIGHT + 20}" cy="{y - 4}" r="5" fill="{colour}"/>')
        out.append(text(WIDTH - RIGHT + 32, y, name))
    return "\n".join([*out, "</svg>", ""])
