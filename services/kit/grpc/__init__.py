"""gRPC beside HTTP in the same process.

`method` is the table a service's interface is written in, `server` serves it, `call` is one method at work,
`channel` the calling side, `status` what an error is on the wire. Nothing is generated but messages: a method
is a row of the table, so that no stub stands between a handler and its types.
"""
