from leaklab.scenario import DURATION, LEAKS_NOTHING, Expected, Scenario, Setting, Settings

SCENARIO = Scenario(
    title="Late at first, as on a machine that stood still for a moment",
    leaks="the caller's time",
    summary="Late at first, as on a machine that stood still for a moment",
    settings=Settings(Setting("hang", DURATION, 4.0), Setting("deadline", DURATION, 0.5)),
    deadline=lambda settings: settings.deadline,
    hang=lambda settings: settings.hang,
    workload=lambda lab: {"deadline": lab.settings.deadline},
    expected={"leaky": Expected("leaks", (("stalled", "elapsed"),)), "fixed": LEAKS_NOTHING},
    telling=("elapsed",),
)
