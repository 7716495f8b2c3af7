"""Growth over time, of a program whose load is not known: what rises in each part of the time, and never falls back."""

from collections.abc import Sequence
from itertools import pairwise

from leaklab import sentences
from leaklab.judge.findings import Judgement, Verdict
from leaklab.measure.run_trace import Trace
from leaklab.metrics import JUDGED, METRICS, FindingKind

PARTS = 4
"""Parts of equal length that the time is cut into. In the first one a program starts: it is left out."""

LEAST_SAMPLES = 2 * PARTS
"""Samples below which nothing is said of growth."""

KEPT = 0.5
"""The share of its mean pace that growth must keep in each of the parts: a pool fills and stays."""


def steady_growth(points: Sequence[tuple[float, float]]) -> bool:
    """Whether a count, of which these are times and values, rises as long as it is looked at.

    The least of each part of the time is compared: what goes up and comes down again has not grown.
    """
    if len(points) < LEAST_SAMPLES:
        return False
    begun, length = points[0][0], (points[-1][0] - points[0][0]) / PARTS
    parts: list[list[float]] = [[] for _ in range(PARTS)]
    for at_s, value in points:
        parts[min(PARTS - 1, int((at_s - begun) / length)) if length else 0].append(value)
    if not all(parts):
        return False
    rises = [after - before for before, after in pairwise([min(part) for part in parts[1:]])]
    mean = sum(rises) / len(rises)
    return mean > 0 and min(rises) >= KEPT * mean


def judge_over_time(trace: Trace) -> Judgement:
    """What is to be said of a program that was watched by the clock: growth is a doubt, and never an accusation."""
    if len(trace.samples) < LEAST_SAMPLES:
        return Judgement(Verdict.INCONCLUSIVE, doubts=(sentences.watched_too_short(len(trace.samples), LEAST_SAMPLES),))
    grew, counts = list[str](), 0
    for metric in METRICS.values():
        points = [(sample.at_s, value) for sample, value in trace.alone(metric)]
        if not points or all(kind is not FindingKind.LEAKED for _, kind in JUDGED.get(metric.judge, ())):
            continue
        counts += metric.unit == "count"
        growth = points[-1][1] - points[0][1]
        if growth >= metric.floor and steady_growth(points):
            grew.append(sentences.grew_over_time(metric, growth, points[-1][0] - points[0][0]))
    if grew:
        return Judgement(Verdict.INCONCLUSIVE, doubts=(*grew, sentences.STEADY_LOAD))
    return Judgement(Verdict.CLEAN, looked_at=sentences.at_rest_over_time(counts, trace.elapsed_s))
