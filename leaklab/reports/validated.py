"""The result of `validate` for one scenario, as lines."""

from __future__ import annotations

from rich.text import Text

from leaklab.lab.result import half_label
from leaklab.lab.validation import Validation


def validation_line(validation: Validation) -> Text:
    """One line if the scenario is valid; otherwise its name, and each problem on its own line."""
    if not validation.problems:
        halves = ", ".join(
            f"{half_label(name)} {half.judgement.verdict}"
            for name, half in (validation.result.halves if validation.result else {}).items()
        )
        return Text.assemble(("ok    ", "bold green"), (validation.scenario, "bold"), f"  {halves}")
    text = Text.assemble(("FAIL  ", "bold red"), (validation.scenario, "bold"))
    for problem in validation.problems:
        text.append(f"\n      {problem}")
    return text
