"""Places in status lists, one for each credential: `domain` (drawing a free one), then `repository` (taking it)."""
