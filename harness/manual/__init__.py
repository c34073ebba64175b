"""What the command tells of itself: pages, examples, exit codes, and completion for shells."""
