"""Alerts: rules judged, and webhooks told."""
