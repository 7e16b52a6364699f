"""Whether a source (`doctor`) and a folder of shards (`verify`) are whole and right, and what they hold (`show`)."""
