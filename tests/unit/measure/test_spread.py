"""The steps at which samples are taken."""

from __future__ import annotations

import itertools

import pytest

from leaklab.measure.measurement import SAMPLED_STEPS, SOCKET_LOOKS, spread


@pytest.mark.parametrize("steps", [1, 2, 99, 100, 101, 2000, 10_000_000])
@pytest.mark.parametrize("most", [SAMPLED_STEPS, SOCKET_LOOKS, 1])
def test_the_sampled_steps_are_evenly_spread_from_the_first_on(steps: int, most: int) -> None:
    sampled = spread(steps, most)
    assert len(sampled) == min(steps, most)
    assert sampled[0] == 0
    assert sampled[-1] < steps
    pauses = {later - earlier for earlier, later in itertools.pairwise(sampled)}
    assert not pauses or max(pauses) - min(pauses) <= 1
