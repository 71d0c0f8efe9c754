"""Runs Shardline and its peers interleaved, and holds the medians against each other."""
