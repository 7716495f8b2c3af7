from leaklab.scenario import LEAKS_NOTHING, Scenario, Settings, Steps

SCENARIO = Scenario(
    title="Its threads end when the next half has begun",
    leaks="nothing",
    summary="Its threads end when the next half has begun",
    settings=Settings(steps=20),
    workload=lambda lab: {"jobs": Steps(lab.steps)},
    check_answer=lambda lab, answer: (
        None if answer == [*range(1, lab.steps + 1)] else f"expected the jobs 1 to {lab.steps}"
    ),
    expected={"leaky": LEAKS_NOTHING, "fixed": LEAKS_NOTHING},
    telling=("threads",),
)
