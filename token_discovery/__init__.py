"""The one package that an installation puts beside those of other projects.

In a wheel the rooms of the service (actors, config, supervisor ...) stand in `rooms/` inside it,
where no other project's import finds them; in a checkout they are the repository's top level.
"""
