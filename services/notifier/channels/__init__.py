"""The ways in which somebody is told. There is one so far: `webhook`."""
