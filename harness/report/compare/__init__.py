"""Two or more runs held against each other: only what differs."""
