"""The ways in which a notice leaves: `webhook` (Standard Webhooks)."""
