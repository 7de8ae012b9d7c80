"""The log lines of every process of an installation, as one stream.

`sources` finds the files, `entry` reads a line of whatever program, `reading` gives what is there and what
comes, `showing` makes it lines for people or JSON. Nothing here writes a log.
"""
