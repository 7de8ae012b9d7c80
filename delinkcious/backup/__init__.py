"""A local installation's data as one file, and an installation of such a file.

What services own is in their databases. The events that somebody has still to hear of are in the outboxes and
in the stream; timelines are made of the rest. So a backup is a dump of each database as of one moment, the
events that some consumer had not handled by then, and the keys without which sessions are worth nothing.
"""
