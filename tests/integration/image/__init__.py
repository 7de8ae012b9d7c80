"""The images' trees of files, made without a container by the script that makes them in one."""
