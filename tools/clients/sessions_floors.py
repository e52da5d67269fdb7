"""How often a run of sessions must at least have asked each thing, and been refused in each way: one that asks less passes
without having tested what it says."""


def floors(sessions):
    return []
