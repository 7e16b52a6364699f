"""Atomic writing of files and folders, locks, and the folder in which finished shards wait to be published."""
