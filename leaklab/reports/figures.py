"""Which figures of a result tell its story, and the charts of them."""

from leaklab.lab.forecast import Forecast
from leaklab.lab.result import HalfResult, JudgedRun, Result, half_label
from leaklab.measure.run_trace import Outcome
from leaklab.metrics import METRICS, Judge, Metric, Moment
from leaklab.reports import rows
from leaklab.reports.chart import Chart, ChartLine, Rule, styles
from leaklab.reports.series import Series, series
from leaklab.units import format_duration, format_size


def charts(result: Result) -> list[Chart]:
    """A chart of each metric that tells the story, in the order of its rows."""
    every = (_chart(result, metric) for metric in dict.fromkeys(row.metric for row in rows.telling_rows(result)))
    return [chart for chart in every if any(line.last is not None for line in chart.lines)]


def forecast_charts(result: Result) -> list[Chart]:
    """A chart of the first forecast of each metric: the measured steps, and a straight line from there to the limit."""
    style, found = styles([*result.halves]), dict[str, Chart]()
    for name, half in result.halves.items():
        for ahead in half.forecast:
            measured = [(float(at), value) for at, value in half.runs[0].trace.step_points(ahead.metric)]
            if measured and measured[-1][0] < ahead.steps and ahead.metric not in found:
                found[ahead.metric] = _forecast_chart(ahead, half_label(name), style[name], measured)
    return [*found.values()]


def _chart(result: Result, metric: Metric) -> Chart:
    drawn = {name: (_nearest(half, metric), half) for name, half in result.halves.items()}
    went = {name: series(run.trace, metric.name) for name, (run, _) in drawn.items()}
    across = "seconds" if {each.unit for each in went.values() if each.points} == {"seconds"} else "steps"
    for name, (run, _) in drawn.items():
        if went[name].unit != across:
            # It ended before it had steps to be drawn by, and the others did not.
            went[name] = Series(tuple(run.trace.step_points(metric.name)), went[name].after, across)
    style = styles([*result.halves])
    lines = tuple(_line(metric, half, went[name], style[name]) for name, (_, half) in drawn.items())
    words = "; ".join(_in_words(line, across) for line in lines if line.last is not None)
    where = f" over {across}" if any(line.points for line in lines) else ""
    return Chart(
        metric.label,
        f"{metric.label}{where}. {words}.",
        across,
        metric,
        lines,
        _limit(result, metric),
        _deadline(result),
    )


def _nearest(half: HalfResult, metric: Metric) -> JudgedRun:
    """The run that came nearest to the half's figures, which are medians if there are several."""
    moment = metric.moments[-1]
    median = half.value(metric.name, moment) or 0
    return min(half.runs, key=lambda run: abs((run.reading(metric.name, moment) or 0) - median))


def _line(metric: Metric, half: HalfResult, went: Series, style: str) -> ChartLine:
    """The half's line, whose labels are the figures of the tables."""
    after = half.value(metric.name, Moment.COLLECTED if metric.judge is not Judge.DEADLINE else Moment.PEAK)
    last = after if after is not None or not went.points else went.points[-1][1]
    by_steps = went.unit == "steps" and went.points
    end = metric.format(half.value(metric.name, Moment.END)) if by_steps else ""
    ended = "" if half.outcome is Outcome.COMPLETED else f" ({half.outcome})"
    # A line that breaks off has no value after run().
    drawn_after = after if went.after is not None or not went.points else None
    return ChartLine(f"{half_label(half.half)}{ended}", style, went.points, drawn_after, metric.format(last), end)


def _in_words(line: ChartLine, across: str) -> str:
    if not line.points:
        return f"{line.name}: {line.label}"
    end = f"{line.end} at the last step, " if line.end and across == "steps" else ""
    return f"{line.name}: {end}{line.label} {'at its end' if line.after is None else 'after run()'}"


def _limit(result: Result, metric: Metric) -> Rule | None:
    bounds = result.bounds
    if metric.budgeted and bounds.memory is not None:
        start = min(half.value(metric.name, "baseline") or 0.0 for half in result.halves.values())
        return Rule(start + bounds.memory, f"allowed: +{format_size(bounds.memory)}")
    return _deadline(result) if metric.judge is Judge.DEADLINE else None


def _deadline(result: Result) -> Rule | None:
    deadline = result.bounds.deadline_s
    return None if deadline is None else Rule(deadline, f"deadline: {format_duration(deadline)}")


def _forecast_chart(ahead: Forecast, name: str, style: str, measured: list[tuple[float, float]]) -> Chart:
    metric = METRICS[ahead.metric]
    points, limit = [*measured, (float(ahead.steps), ahead.limit)], metric.format(ahead.limit)
    lines = (ChartLine(f"{name}, if it goes on", style, points, None, limit),)
    return Chart(
        f"{metric.label}, forecast", f"{ahead.words}.", "steps", metric, lines, Rule(ahead.limit, f"limit: {limit}")
    )
