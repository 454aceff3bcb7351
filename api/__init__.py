"""Every way in: HTTP, command line, page. The only floor that may import all the others."""
