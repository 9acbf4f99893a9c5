"""What the issuer knows from its own node's registry: `repository` (facts of trust and status), then `handlers`."""
