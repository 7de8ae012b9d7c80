"""`make bench-mesh`: how soon an edit is in force at eight sidecars, what it costs, and their memory."""
