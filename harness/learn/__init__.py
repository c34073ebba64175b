"""Learned state machines: what a stack really does, as a picture, a difference and a test.

`alphabet` says what is tried, `subject` tries it on a target, `tree` keeps every answer, `system` and `oracle` are what
AALpy learns from in `search`, `machine` is what comes of it; `limit` is its time, `partial` what is known when that is
over. `judging` holds each transition against the rules, `difference` two machines against each other; `graphs`,
`drawing` and `page` show one, `suite` makes tests of it.
"""
