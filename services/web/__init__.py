"""The pages for people, feeds, and the interfaces of bookmark programs that exist already.

Reads as: app -> pages (one file per group of them) -> visit (who asks, what every page answers with) ->
sessions (who is signed in) -> clients of the other services. `templates/` and `static/` hold what is shown;
`pinboard/` and `linkding/` speak other programs' languages.
"""
