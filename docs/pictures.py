"""Draw the pictures of gate.md with the gate's own functions: `python docs/pictures.py` writes docs/pictures/*.svg.

The differences are examples drawn from a seed; the interval, what it is called and what a policy makes of it are
computed. Text and lines take the colours of a light or a dark page.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytest_embedeval.gate import POLICIES, Terms, signed
from pytest_embedeval.gate.differences import Differences, change_of, dropped, lost_and_won, outcome

FOLDER = Path(__file__).parent / "pictures"
TERMS = Terms(tolerance=0.02, policy="observed", least=30)
STEPS = (1 / 6, 1 / 2, 2 / 3, 9 / 10)  # by how much a reciprocal rank may change
SAID = {"pass": "passes", "inconclusive": "warns", "fail": "fails"}
WIDTH, LEFT, RIGHT, ROW, TOP = 760, 230, 560, 56, 64

STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.quiet { fill: #59636e; font-size: 12.5px }
.name { font-weight: 600 }
.zero { stroke: #59636e }
.tolerance { stroke: #bc4c00; stroke-dasharray: 5 4; stroke-width: 1.5 }
.limit { fill: #bc4c00; font-size: 12.5px }
.interval { stroke: #0969da; stroke-width: 6; stroke-linecap: round }
.mean { fill: #fff; stroke: #0969da; stroke-width: 2.5 }
.pass { fill: #0969da } .inconclusive { fill: #9a6700 } .fail { fill: #cf222e }
.said { fill: #fff; font-weight: 600; text-anchor: middle }
.middle { text-anchor: middle }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .quiet { fill: #b1bac4 } .zero { stroke: #9198a1 }
  .tolerance { stroke: #f0883e } .limit { fill: #f0883e }
  .interval { stroke: #4493f8 } .mean { fill: #0d1117; stroke: #4493f8 } .said { fill: #fff }
}
"""


@dataclass(frozen=True)
class Upgrade:
    """An example: of `questions`, a share changes, and of these a share gets worse."""

    questions: int
    changes: float
    worse: float
    seed: int

    @property
    def differences(self) -> Differences:
        """One difference per question, from the seed alone."""
        chance = random.Random(self.seed)  # noqa: S311
        drawn = []
        for _ in range(self.questions):
            changes, worse, step = chance.random(), chance.random(), chance.random()
            size = STEPS[int(step * len(STEPS))] if changes < self.changes else 0.0
            drawn.append(-size if worse < self.worse else size)
        return Differences(np.array(drawn))

    @property
    def counted(self) -> str:
        """How many questions changed, and which way."""
        lost, won = lost_and_won(self.differences.each)
        return f"of {self.questions:,} questions {len(lost)} lost, {len(won)} won"

    @property
    def name(self) -> str:
        """What the gate calls it."""
        found = self.differences
        change = change_of(found, TERMS)
        fell = change == "inconclusive" and dropped(found.mean, TERMS.tolerance)
        return f"{change}, observed drop" if fell else change


UPGRADES = (
    Upgrade(300, 0.25, 0.25, seed=1),
    Upgrade(300, 0.04, 0.5, seed=1),
    Upgrade(300, 0.2, 0.5, seed=4),
    Upgrade(300, 0.2, 0.62, seed=4),
    Upgrade(300, 0.3, 0.8, seed=1),
)
LARGER_SETS = tuple(Upgrade(questions, 0.1, 0.5, seed=4) for questions in (30, 100, 300, 1000, 3000))


def pictures() -> dict[str, str]:
    """Return name -> SVG."""
    return {
        "verdicts.svg": _beside_tolerance(UPGRADES, "Five upgrades, their intervals, and the tolerance", 0.13),
        "policies.svg": _by_policy(UPGRADES),
        "questions.svg": _beside_tolerance(LARGER_SETS, "The same upgrade, asked of 30 to 3,000 questions", 0.13),
    }


def _beside_tolerance(upgrades: tuple[Upgrade, ...], title: str, reach: float) -> str:
    """Draw the interval of each upgrade on one axis, from -reach to +reach."""
    height = TOP + ROW * len(upgrades) + 34

    def x(difference: float) -> float:
        inside = min(max(difference, -reach), reach)
        return LEFT + (inside + reach) / (2 * reach) * (RIGHT - LEFT)

    def draw() -> Iterator[str]:
        bottom = height - 34
        yield _line("zero", x(0), TOP - 18, bottom)
        yield _line("tolerance", x(-TERMS.tolerance), TOP - 18, bottom)
        yield _text(x(-TERMS.tolerance) - 6, TOP - 26, f"−tolerance ({signed(-TERMS.tolerance)[:-1]})", "limit", "end")
        yield _text(x(0) + 6, TOP - 26, "no change", "quiet")
        yield _text(RIGHT + 16, TOP - 26, "mean [95 % bounds]", "quiet")
        for tick in (-0.1, -0.05, 0.0, 0.05, 0.1):
            yield _text(x(tick), bottom + 18, signed(tick)[:-1] if tick else "0", "quiet middle")
        yield _text(0, bottom + 18, "change of the mean score", "quiet")
        for place, upgrade in enumerate(upgrades):
            yield from _row(upgrade, TOP + ROW * place + ROW / 2, x)

    return _svg(title, height, draw())


def _row(upgrade: Upgrade, y: float, x: Callable[[float], float]) -> Iterator[str]:
    found = upgrade.differences
    low, high = found.interval
    yield _text(0, y - 3, upgrade.name, "name")
    yield _text(0, y + 15, upgrade.counted, "quiet")
    yield f'<line class="interval" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    yield f'<circle class="mean" cx="{x(found.mean):.1f}" cy="{y:.1f}" r="5"/>'
    yield _text(RIGHT + 16, y + 5, f"{signed(found.mean)} [{signed(low)}, {signed(high)}]", "quiet")


def _by_policy(upgrades: tuple[Upgrade, ...]) -> str:
    """Draw what each policy makes of each upgrade."""
    step, wide = 170, 150

    def draw() -> Iterator[str]:
        for column, policy in enumerate(POLICIES):
            yield _text(LEFT + 20 + step * column + wide / 2, TOP - 26, policy, "name middle")
        for place, upgrade in enumerate(upgrades):
            y = TOP + ROW * place + ROW / 2 - 16
            found = upgrade.differences
            yield _text(0, y + 13, upgrade.name, "name")
            yield _text(0, y + 31, f"{signed(found.mean)} on {upgrade.questions:,} questions", "quiet")
            for column, policy in enumerate(POLICIES):
                state = outcome(change_of(found, TERMS), found.mean, Terms(TERMS.tolerance, policy, TERMS.least))
                left = LEFT + 20 + step * column
                yield f'<rect class="{state}" x="{left}" y="{y - 4:.1f}" width="{wide}" height="40" rx="6"/>'
                yield _text(left + wide / 2, y + 21, SAID[state], "said")

    return _svg("What each policy makes of the five upgrades", TOP + ROW * len(upgrades), draw())


def _svg(title: str, height: int, parts: Iterator[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join([f'{head} role="img">', f"<title>{title}</title>", f"<style>{STYLE}</style>", *parts, "</svg>\n"])


def _line(name: str, x: float, top: float, bottom: float) -> str:
    return f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'


def _text(x: float, y: float, text: str, name: str, anchor: str = "start") -> str:
    end = ' text-anchor="end"' if anchor == "end" else ""
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}"{end}>{text}</text>'


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        (FOLDER / name).write_text(svg, encoding="utf-8")
