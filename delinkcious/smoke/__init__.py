"""What `helm test` runs. It stands in the services' image, so it imports nothing else of the command line."""
