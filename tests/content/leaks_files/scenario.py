from leaklab.scenario import LEAKS_NOTHING, Expected, Scenario, Settings, Steps

SCENARIO = Scenario(
    title="Leaks a descriptor per job",
    leaks="a descriptor per job",
    summary="Leaks a descriptor per job",
    settings=Settings(steps=20),
    workload=lambda lab: {"jobs": Steps(lab.steps)},
    check_answer=lambda lab, answer: (
        None if answer == [*range(1, lab.steps + 1)] else f"expected the jobs 1 to {lab.steps}"
    ),
    expected={"leaky": Expected("leaks", (("leaked", "open_fds"),)), "fixed": LEAKS_NOTHING},
    telling=("open_fds",),
)
