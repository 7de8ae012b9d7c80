"""A small service that uses everything the kit offers."""
