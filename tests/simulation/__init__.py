"""The simulation, and deliberately broken variants of the service that it has to catch."""
