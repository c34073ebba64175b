"""Whole conversations that nobody wrote, judged by all of RFC 9293: some of each kind (`harness.explore.kinds`)."""

from harness.explore.levels import Conversations

CONVERSATIONS = Conversations()
