"""A file or folder whole or not at all; locks; the folder where what is being made waits."""
