"""Names, sizes and sums of the official archives, as package data."""
