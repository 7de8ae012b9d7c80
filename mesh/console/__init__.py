"""The console: a local web page that shows a running mesh, its traces, logs, alerts and configuration."""
