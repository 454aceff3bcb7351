"""One file per change of the schema: `<yyyymmdd>_<verb>_<what>.py`."""
