"""What was found of a scenario by `validate`, as lines."""

from __future__ import annotations

from rich.text import Text

from leaklab.content.validation import Validation


def validation_line(validation: Validation) -> Text:
    """One line if all is well; else the scenario's name and each problem on a line of its own."""
    if not validation.problems:
        halves = ", ".join(
            f"{name} {half.judgement.verdict}"
            for name, half in (validation.result.halves if validation.result else {}).items()
        )
        return Text.assemble(("ok      ", "bold green"), (validation.scenario, "bold"), f"  {halves}")
    text = Text.assemble(("not so  ", "bold red"), (validation.scenario, "bold"))
    for problem in validation.problems:
        text.append(f"\n        {problem}")
    return text
