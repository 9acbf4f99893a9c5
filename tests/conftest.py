"""What every test has: the real engines (tests/engines), ended with the run."""

pytest_plugins = ["tests.engines.plugin"]
