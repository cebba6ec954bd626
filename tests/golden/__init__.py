"""Scenarios whose digests are the same everywhere."""
