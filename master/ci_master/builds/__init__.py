"""Doing it: builds, their steps, properties, locks and logs, and their configuration."""
