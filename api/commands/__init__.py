"""The commands: thin, one function each; what is heavy is imported where it is used."""
