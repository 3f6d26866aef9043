"""The pure part: values, messages, rules and errors. No I/O, no clock, no trio."""
