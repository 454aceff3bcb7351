"""HTTP to story and back, one file per resource; no logic here."""
