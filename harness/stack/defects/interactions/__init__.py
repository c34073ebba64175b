"""Defects that show only where two ordinary things meet, one file per kind.

None of them is seen by looking at a single step: each segment alone, each call alone, each timer alone is answered as
it should be. For each there is a proof in `testcases/selftest/interactions`, which the sound stack passes.
"""

from harness.stack.defects.interactions import (
    application,
    before_accept,
    between_courses,
    between_numbers,
    close_unsent,
    everyday_courses,
    everyday_numbers,
    familiar_courses,
    familiar_numbers,
    fresh_courses,
    fresh_neighbours,
    fresh_numbers,
    from_source,
    further_courses,
    further_numbers,
    historic,
    later,
    loss_state,
    many,
    meeting_courses,
    meeting_numbers,
    options_together,
    ordinary_courses,
    ordinary_numbers,
    packet_form,
    reset_ack,
    residue,
    stray_timer,
    two_things,
    unlooked_courses,
    unlooked_later,
    unlooked_numbers,
    unread,
    wraps,
)

#: The files, in the order of the kinds.
FILES = (
    stray_timer,
    loss_state,
    before_accept,
    close_unsent,
    residue,
    unread,
    wraps,
    many,
    reset_ack,
    options_together,
    packet_form,
    application,
)
#: Files with defects of several kinds.
MIXED = (
    *(later, fresh_courses, fresh_numbers, fresh_neighbours),
    *(unlooked_courses, unlooked_numbers, unlooked_later, from_source),
    *(ordinary_courses, ordinary_numbers, historic),
    *(further_courses, further_numbers, two_things),
    *(meeting_courses, meeting_numbers),
    *(between_courses, between_numbers),
    *(everyday_courses, everyday_numbers),
    *(familiar_courses, familiar_numbers),
)
#: The kinds, and what meets in each.
KINDS = {file.KIND: (file.__doc__ or "").split("\n")[0] for file in FILES}
