"""Measures how Shardline's cost grows, and draws it."""
