"""`tcpspec declare`: from a run to the draft of an expectations file."""
