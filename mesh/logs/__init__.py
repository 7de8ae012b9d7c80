"""The log lines of every process of an installation, as one stream.

`sources` finds the files, `entry` reads a line of whatever program, `reading` gives what is there and what
comes. Nothing here writes a log, or says how one looks.
"""
