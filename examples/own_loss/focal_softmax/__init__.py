"""Focal loss over many classes. Imports nothing: the service reads the card without torch."""
