"""``/api/v2``: resources and actions for programs."""
