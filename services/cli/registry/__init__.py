"""Commands about what a registry keeps of its nation: `institutions` and their `offers`."""
