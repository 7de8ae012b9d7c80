"""News: who follows whom and what they save, made into one list per reader, kept in Redis.

Rooms, from the bottom: `domain` (positions, merging, what a watcher has not seen), `scripts` and the stores
(every command for Redis), `reading` (a page), `watching` (a stream), `changes` (what an event does),
`rebuilding` (everything anew from the services that own it), `api` and `app`. Nothing here is the only copy
of anything.
"""
