"""Settings that change while the process runs: a file, judged as a whole, put in force in one step.

The file (RUNTIME_CONFIG_FILE, as of a mounted ConfigMap) is YAML or JSON and has settings by the names of
their variables. What it does not name is as the environment says. One fault, and all of it is refused: what
was in force stays.
"""
