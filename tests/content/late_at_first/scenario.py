from leaklab.scenario import LEAKS_NOTHING, Expected, Scenario, Settings

SCENARIO = Scenario(
    title="Late at first, as on a machine that stood still for a moment",
    leaks="the caller's time",
    summary="Late at first, as on a machine that stood still for a moment",
    settings=Settings(hang=4.0, deadline=0.5),
    workload=lambda lab: {"deadline": lab.settings.deadline},
    expected={"leaky": Expected("leaks", (("stalled", "elapsed"),)), "fixed": LEAKS_NOTHING},
    telling=("elapsed",),
)
