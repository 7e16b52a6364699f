"""Checks of a source (`doctor`) and of a folder of shards (`verify`), and a look at records (`show`)."""
