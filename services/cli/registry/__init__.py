"""Commands about what a registry keeps of its node: `institutions` and their `offers`."""
