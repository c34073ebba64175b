"""One judge for whole conversations: is there any allowed history that explains all that was seen?

`world.World` is one state of affairs that is still possible, `react` and `calls` say which worlds a segment or a call
leads to, `explain` which segments of the target a world allows, `clock` what time does, and `History` keeps the set of
worlds, narrows it with each observation, and names the rules by which the last one fell when none is left.
Nothing here knows a target, a wire or who asked.
"""
