"""Settings of a scenario: each declares its name, kind, default, bounds and help."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from types import UnionType
from typing import Any

from leaklab.errors import UsageError
from leaklab.units import parse_count, parse_duration, parse_number, parse_size, written_duration, written_size

Value = int | float | str
"""What a setting can be: counts and bytes are int, seconds are float."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What sort of value a setting takes.

    Attributes:
        name: in words, with its article.
        types: what a value is in Python: `int`, `str`, or `int | float`.
        parse: makes a value of what was typed, or raises ValueError with what is wrong and how to write it.
        written: a value as it is typed.
        least: the lowest value, unless the setting has a bound of its own.
        most: the highest value, likewise.
    """

    name: str
    types: type | UnionType
    parse: Callable[[str], Value] = str
    written: Callable[[Any], str] = str
    least: float = -inf
    most: float = inf


COUNT = Kind("a whole number", int, parse_count, least=1, most=10_000_000)
SIZE = Kind("a size", int, parse_size, written_size, least=1, most=2**50)
DURATION = Kind("a duration", int | float, parse_duration, written_duration, least=1e-3, most=7 * 86_400)
NUMBER = Kind("a number", int | float, parse_number, "{:g}".format)
CHOICE = Kind("one of its choices", str)
TEXT = Kind("a text", str)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a scenario that `--set NAME=VALUE` changes.

    `Setting("pause", DURATION, 0.1, "How long each page waits.", most=5)` takes `--set pause=50ms`.

    Attributes:
        name: a Python name.
        kind: COUNT (whole numbers), SIZE (bytes), DURATION (seconds), NUMBER, CHOICE, TEXT, or a Kind of your own.
        default: the value unless it is set; a scenario's setting must have one.
        help: what it is for, in a sentence.
        least: the lowest value, if it is not the kind's.
        most: the highest value, if it is not the kind's.
        choices: the values of a CHOICE.

    Raises:
        ValueError: the name cannot be used, the default is not a valid value, or a CHOICE has no choices.
    """

    name: str
    kind: Kind
    default: Value | None = None
    help: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # `settings.NAME` must be the value, not an attribute of Settings; only these two are both.
        known = {"steps": COUNT, "deadline": DURATION}
        taken = self.kind is not known[self.name] if self.name in known else hasattr(Settings, self.name)
        if taken or not self.name.isidentifier():
            raise ValueError(f"a setting cannot be called {self.name!r}: choose another name")
        if bool(self.choices) != (self.kind is CHOICE):
            raise ValueError(f"setting {self.name}: a CHOICE has choices=(…), and no other kind has")
        if self.default is not None:
            try:
                self.check(self.default)
            except ValueError as error:
                raise ValueError(f"setting {self.name}: {error}") from None

    def parse(self, text: str) -> Value:
        """The value that was typed. Raises ValueError with what is wrong and what to type instead."""
        return self.check(self.kind.parse(text))

    def check(self, value: object) -> Value:
        """The same value, if this setting can have it. Raises ValueError if it cannot."""
        if not isinstance(value, Value) or not isinstance(value, self.kind.types) or isinstance(value, bool):
            raise ValueError(f"{value!r} is not {self.kind.name}")
        if isinstance(value, str):
            if self.choices and value not in self.choices:
                raise ValueError(f"{value!r} is unknown: choose {self.values}")
            if not value.isprintable():
                raise ValueError(f"{value!r} holds characters that cannot be shown")
        elif not self.bounds[0] <= value <= self.bounds[1] or abs(value) == inf:
            raise ValueError(f"{self.kind.written(value)} is out of range: write {self.values}")
        return value

    def other_choices(self, value: Value) -> list[str]:
        """The choices of a CHOICE without this one; none of any other kind."""
        return [choice for choice in self.choices if choice != value]

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value; infinite where there is no bound."""
        least, most = self.kind.least, self.kind.most
        return least if self.least is None else self.least, most if self.most is None else self.most

    @property
    def values(self) -> str:
        """The possible values in words: the choices, or the kind and its bounds."""
        if self.choices:
            return " or ".join(filter(None, (", ".join(self.choices[:-1]), self.choices[-1])))
        least, most = ("" if abs(bound) == inf else self.in_words(bound) for bound in self.bounds)
        if least:
            return f"{self.kind.name}, {least} to {most}" if most else f"{self.kind.name}, {least} or more"
        return f"{self.kind.name}, up to {most}" if most else self.kind.name

    def in_words(self, value: Value) -> str:
        """A value of this setting as it is shown: as it is typed, and counts with separators."""
        return f"{value:,}" if self.kind is COUNT else self.kind.written(value)

    @property
    def usage(self) -> str:
        """How it is set on the command line, with its default."""
        return ("--steps " if self.name == "steps" else f"--set {self.name}=") + self.kind.written(self.default)


class Settings:
    """The settings of a scenario, each with its value: by attribute (`settings.size`) or item (`settings["size"]`).

    `Settings(Setting("size", SIZE, 64 * 2**20, "How much is read at once."), steps=50)` declares them. Two settings are
    known to the lab by name: `steps`, the units of work, which is left out if the work does not grow with steps, and
    `deadline`, the seconds within which the caller needs its answer.

    Raises:
        ValueError: two settings have the same name, or one has no default.
    """

    declared: tuple[Setting, ...] = ()
    _values: Mapping[str, Value] = {}

    def __init__(self, *declared: Setting, steps: int | None = None, deadline: float | None = None) -> None:
        own = () if steps is None else (Setting("steps", COUNT, steps, "Units of work."),)
        if deadline is not None:
            declared += (Setting("deadline", DURATION, deadline, "When the caller needs its answer."),)
        values: dict[str, Value] = {}
        for setting in (*own, *declared):
            if setting.default is None or setting.name in values:
                raise ValueError(f"setting {setting.name} is declared twice, or has no default")
            values[setting.name] = setting.default
        self.declared = (*own, *declared)
        self._values = values

    @property
    def steps(self) -> int | None:
        """Units of work; None if the scenario has none."""
        steps = self._values.get("steps")
        return steps if isinstance(steps, int) else None

    @property
    def deadline(self) -> float | None:
        """Seconds within which the caller needs its answer; None if the scenario has no such setting."""
        deadline = self._values.get("deadline")
        return float(deadline) if isinstance(deadline, int | float) else None

    def given(self) -> dict[str, Value]:
        """The values by name."""
        return dict(self._values)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name not in self._values:
            raise AttributeError(f"the scenario has no setting {name!r}", name=name, obj=self)
        return self._values[name]

    def __str__(self) -> str:
        """The values as a title shows them: `50 steps, size=256MiB`."""
        shown = ((setting.name, setting.in_words(self[setting.name])) for setting in self.declared)
        plural = "" if self.steps == 1 else "s"
        return ", ".join(f"{value} step{plural}" if name == "steps" else f"{name}={value}" for name, value in shown)

    def setting(self, scenario: str, name: str) -> Setting:
        """The setting called `name`. Raises UsageError if `scenario`, which these are of, has none."""
        for setting in self.declared:
            if setting.name == name:
                return setting
        known = ", ".join(f"{one.name} ({one.values})" for one in self.declared)
        raise UsageError(f"{scenario} has no setting {name!r}: it has {known or 'none at all'}")

    def changed(self, scenario: str, wanted: Mapping[str, Value | None]) -> Settings:
        """These settings with those values of `wanted` that are not None.

        Raises:
            UsageError: `scenario`, which these are of, has no such setting, or it cannot have that value.
        """
        values: dict[str, Value] = {}
        for name, value in wanted.items():
            if value is not None:
                try:
                    values[name] = self.setting(scenario, name).check(value)
                except ValueError as error:
                    raise UsageError(f"{scenario}, {name}: {error}") from None
        return self._with(values)

    def with_steps(self, steps: int) -> Settings:
        """These settings with so many steps, which may be more than can be typed."""
        return self._with({"steps": steps})

    def other_choices(self) -> Iterator[Settings]:
        """These settings with each other choice of each CHOICE."""
        for setting in self.declared:
            yield from (self._with({setting.name: one}) for one in setting.other_choices(self[setting.name]))

    def differing(self, other: Settings) -> str:
        """The values that differ from those of `other`, as they are set: `dead=silent`."""
        return ", ".join(
            f"{one.name}={one.in_words(self[one.name])}" for one in self.declared if self[one.name] != other[one.name]
        )

    def _with(self, values: Mapping[str, Value]) -> Settings:
        changed = Settings(*self.declared)
        changed._values = {**self._values, **values}
        return changed
