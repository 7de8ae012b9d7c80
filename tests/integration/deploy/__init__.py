"""What is applied to a cluster, made by the programs that make it."""
