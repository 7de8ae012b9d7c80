"""Events between services that are neither lost nor doubled.

    state and event, one transaction -> outbox -> Relay -> JetStream -> Consumer -> effect and event id, one

`envelope` is what travels, `outbox` what is written and relayed, `bus` the broker, `consumer` the receiving
side, `dead_letters` what could not be handled. Order is kept per key: the id of the user whom an event is
about.
"""
