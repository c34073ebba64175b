"""tcpspec: a conformance test harness for TCP implementations (RFC 9293)."""

__version__ = "0.1.0"
