"""Faults that people can put into the local installation, each with the alert that tells of it."""
