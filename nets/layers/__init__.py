"""Layers: forward, and right below it backward, with the cache in the open."""
