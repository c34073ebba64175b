"""Builds what comes with the tool: drivers in C and Rust, and container images."""
