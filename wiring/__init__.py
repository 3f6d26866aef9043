"""Which actor is given what: mailboxes, doors and child specs."""
