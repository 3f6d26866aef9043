"""Settings: defaults in default.toml, types and checks in settings.py."""
