"""Commands of a federation: `federation` for its anchor and its members, `anchor` is the anchor's folder."""
