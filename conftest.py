"""Nothing to set up: the plugin is installed with the package (entry point `pytest11`, `harness.plugin`)."""
