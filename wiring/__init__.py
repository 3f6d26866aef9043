"""Which actor is given what (mailboxes, doors, child specs), and the metrics of all together."""
