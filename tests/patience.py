"""How long a test waits for what must come: events are waited for, seconds are not counted."""

PATIENCE_SECONDS = 60.0  # what comes takes a fraction of one, but the machine may be busy
