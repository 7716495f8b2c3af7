"""Settings of a scenario: each declares its name, kind, default, bounds and help, and what may be typed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
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
        example: one as it is typed.
        types: what a value is in Python.
        parse: makes a value of what was typed, or raises ValueError with what is wrong and how to write it.
        written: a value as it is typed.
        least: the lowest value, unless a setting has a bound of its own.
        most: the highest.
    """

    name: str
    example: str
    types: tuple[type, ...]
    parse: Callable[[str], Value]
    written: Callable[[Any], str] = str
    least: float = -inf
    most: float = inf


COUNT = Kind("a whole number", "50", (int,), parse_count, least=1, most=10_000_000)
SIZE = Kind("a size", "64MiB", (int,), parse_size, written_size, least=1, most=2**50)
DURATION = Kind("a duration", "500ms", (int, float), parse_duration, written_duration, least=1e-3, most=7 * 86_400)
NUMBER = Kind("a number", "1.5", (int, float), parse_number, lambda value: f"{value:g}")
CHOICE = Kind("one of its choices", "", (str,), str)
TEXT = Kind("a text", "hello", (str,), str)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that a person can set.

    Attributes:
        name: how it is called, as a Python name.
        kind: what sort of value it takes.
        default: the value unless it is set; None only where the program finds one when it runs.
        help: what it is for, in a sentence.
        least: the lowest value, if that is not its kind's.
        most: the highest.
        choices: the values of a CHOICE.
    """

    name: str
    kind: Kind
    default: Value | None = None
    help: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError if it is declared so that it cannot be set, or if its default cannot be its value."""
        taken = self.kind is not COUNT if self.name == "steps" else hasattr(Settings, self.name)
        if taken or not self.name.isidentifier():
            raise ValueError(f"a setting cannot be called {self.name!r}")
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
        """The same value, if it can be one of this setting. Raises ValueError if it cannot."""
        if not isinstance(value, self.kind.types) or isinstance(value, bool):
            raise ValueError(f"{value!r} is not {self.kind.name}")
        if isinstance(value, str):
            if self.choices and value not in self.choices:
                raise ValueError(f"{value!r} is unknown: choose {self.values}")
            if not value.isprintable():
                raise ValueError(f"{value!r} holds characters that cannot be shown")
            return value
        assert isinstance(value, int | float)  # noqa: S101 # the other types of Value
        least, most = self.bounds
        if not least <= value <= most or abs(value) == inf:
            raise ValueError(f"{self.kind.written(value)} is out of range: write {self.values}")
        return value

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value; infinite where there is no bound."""
        least, most = self.kind.least, self.kind.most
        return least if self.least is None else self.least, most if self.most is None else self.most

    @property
    def values(self) -> str:
        """What it can be, in words: its choices, or its kind and bounds."""
        if self.choices:
            return " or ".join(filter(None, (", ".join(self.choices[:-1]), self.choices[-1])))
        least, most = ("" if abs(bound) == inf else self.in_words(bound) for bound in self.bounds)
        bounds = (
            f"{least} to {most}" if least and most else (least and f"{least} or more") or (most and f"up to {most}")
        )
        return f"{self.kind.name}, {bounds}" if bounds else self.kind.name

    def in_words(self, value: Value) -> str:
        """A value of this setting as it is shown: as it is typed, and counts with separators."""
        return f"{value:,}" if self.kind is COUNT else self.kind.written(value)

    @property
    def usage(self) -> str:
        """How it is set on the command line, with its default."""
        default = self.kind.example if self.default is None else self.kind.written(self.default)
        return f"--steps {default}" if self.name == "steps" else f"--set {self.name}={default}"


class Settings:
    """The settings of a scenario, each with its value: by attribute (`settings.size`) or item (`settings["size"]`).

    `Settings(Setting("size", SIZE, 64 * 2**20, help="…"), steps=50)` declares them: `steps`, the units of work, is
    the one that the lab knows by name.

    Raises:
        ValueError: two of them have the same name, or one has no default.
    """

    def __init__(self, *declared: Setting, steps: int | None = None) -> None:
        own = () if steps is None else (Setting("steps", COUNT, steps, "Units of work."),)
        self.declared: tuple[Setting, ...] = (*own, *declared)
        self._values: dict[str, Value] = {}
        for setting in self.declared:
            if setting.default is None or setting.name in self._values:
                raise ValueError(f"setting {setting.name} is declared twice, or has no default")
            self._values[setting.name] = setting.default

    @property
    def steps(self) -> int | None:
        """Units of work; None if the scenario has none."""
        steps = self._values.get("steps")
        return steps if isinstance(steps, int) else None

    def given(self) -> dict[str, Value]:
        """The values by name."""
        return dict(self._values)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"the scenario has no setting {name!r}", name=name, obj=self) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment] # a dictionary of values has none either

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

    def _with(self, values: Mapping[str, Value]) -> Settings:
        changed = Settings(*self.declared)
        changed._values.update({**self._values, **values})
        return changed
