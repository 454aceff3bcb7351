"""Comma separated text with a header line; gzip is unpacked on the way."""

from functools import partial

from profiler.readers import delimited

column_names = partial(delimited.column_names, separator=",", quote='"')
head = partial(delimited.head, separator=",", quote='"')
read = partial(delimited.read, separator=",", quote='"')
