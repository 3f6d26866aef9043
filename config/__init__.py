"""Settings: default.toml has the defaults, settings.py types and bounds; loading.py reads them."""
