"""Registered credentials: registering, suspending, reinstating, revoking, and one superseding another."""
