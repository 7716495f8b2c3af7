from leaklab.scenario import LEAKS_NOTHING, Expected, Scenario, Settings, Steps

SCENARIO = Scenario(
    title="Leaks a thread per job",
    leaks="a thread per job",
    summary="Leaks a thread per job",
    settings=Settings(steps=20),
    workload=lambda lab: {"jobs": Steps(lab.steps)},
    check_answer=lambda lab, answer: (
        None if answer == [*range(1, lab.steps + 1)] else f"expected the jobs 1 to {lab.steps}"
    ),
    expected={"leaky": Expected("leaks", (("leaked", "threads"),)), "fixed": LEAKS_NOTHING},
    telling=("threads",),
)
