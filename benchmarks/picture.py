"""Draws docs/rule.svg: a pool, a cache, a leak and a held resource, measured at both sizes of the work.

    python -m benchmarks.picture

Every point is a reading of a real run of tests/planted/descriptors.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from leaklab.lab.reruns import second_size
from leaklab.measure.run_trace import Phase, Trace
from tests.planted.programs import Program, cache, fill, leak, measure

STEPS = 50
PROGRAMS = {
    "a pool: clean": Program("pool", "descriptors", fill(10)),
    "a cache: clean": Program("cache", "descriptors", cache(40)),
    "a leak: leaked": Program("leak", "descriptors", leak()),
    "held until return": Program("held", "descriptors", leak(), cleans_up=True),
}
WIDTH, HEIGHT, GAP, TOP = 190, 120, 30, 46
FILE = Path(__file__).parents[1] / "docs" / "rule.svg"
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
  font-family="sans-serif" font-size="11">
<title>File descriptors above the start, by step: four programs, each at 50 and at 200 steps</title>
<style>
  text {{ fill: #24292f }} .axis {{ stroke: #8c959f }}
  .small {{ stroke: #0969da }} .large {{ stroke: #cf222e }}
  .small, .large {{ fill: none; stroke-width: 2 }} .small {{ stroke-width: 3 }}
  .of-small {{ fill: #0969da }} .of-large {{ fill: #cf222e }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e6edf3 }} .small {{ stroke: #58a6ff }} .large {{ stroke: #ff7b72 }}
    .of-small {{ fill: #58a6ff }} .of-large {{ fill: #ff7b72 }} }}
</style>
<text x="0" y="14">File descriptors above the start, by step;
  <tspan class="of-small">50 steps</tspan> and <tspan class="of-large">200 steps</tspan> of the same program</text>
"""


def readings(trace: Trace) -> list[tuple[int, float]]:
    """(steps, descriptors above the start) at the steps, and after return."""
    start = trace.value("open_fds", Phase.BASELINE) or 0
    left = (trace.value("open_fds", Phase.COLLECTED) or 0) - start
    points = [(step, value - start) for step, value in trace.step_points("open_fds")]
    return [*points, (points[-1][0], left)]


def panel(index: int, title: str, program: Program) -> Iterator[str]:
    """One program, at both sizes, on the same scale."""
    sizes = STEPS, second_size(STEPS)
    left, scale = index * (WIDTH + GAP), max(sizes)
    yield f'<g transform="translate({left} {TOP})"><text y="-6" font-weight="bold">{title}</text>'
    yield f'<path class="axis" fill="none" d="M0 0V{HEIGHT}H{WIDTH}"/>'
    for name, steps in zip(("large", "small"), reversed(sizes), strict=True):
        points = readings(measure(program, steps).runs[0].trace)
        path = " ".join(
            f"{step / scale * (WIDTH - 30):.1f},{HEIGHT * (1 - count / scale):.1f}" for step, count in points
        )
        (_, at_end), (last, after) = points[-2:]
        x, y = last / scale * (WIDTH - 30) + 4, HEIGHT * (1 - at_end / scale) + (-6 if name == "small" else 4)
        said = f"{at_end:.0f}" if after == at_end else f"{at_end:.0f} → {after:.0f}"
        dot = f'<circle class="of-{name}" cx="{x - 4:.1f}" cy="{HEIGHT * (1 - after / scale):.1f}" r="3"/>'
        text = f'<text class="of-{name}" x="{x:.0f}" y="{y:.0f}">{said}</text>'
        yield f'<polyline class="{name}" points="{path}"/>{dot}{text}'
    yield "</g>"


def main() -> None:
    """Measure and draw."""
    parts = [HEAD.format(width=len(PROGRAMS) * (WIDTH + GAP), height=TOP + HEIGHT + 10)]
    for index, (title, program) in enumerate(PROGRAMS.items()):
        parts += panel(index, title, program)
    FILE.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")
    print(f"wrote {FILE}")


if __name__ == "__main__":
    main()
