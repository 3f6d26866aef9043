"""History: what was wrong, what happened and how the figures went, for hours and over restarts."""
