"""Generated conversations, judged by the rules alone (`harness.spec.history`): see `harness/explore/EXPLORE.md`."""
