"""What the service does, without HTTP and without the durable engine; the command line too."""
