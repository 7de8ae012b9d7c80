"""Runs a local mesh: processes, their sidecars, their certificates, and what is delivered to them.

Reads what `mesh.local` translates and never translates itself. From the leaves to the root:
`state`, `addresses`, `sweep`, `process`, `ca`, then `container`, `sidecar`, `pod`, then `controller`,
`deliver`, `desired`, and `mesh`, which composes them; `control` and `client` are the two ends of the socket.
"""
