"""Recommendations inside other tools; each file imports its tool, an extra, and never torch."""
