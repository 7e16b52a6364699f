"""The class table and the validation labels, as package data."""
