"""The laboratory: losses as layers, data, trials and probes; knows advisor, not the store."""
