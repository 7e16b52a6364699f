"""What people see while a command works: progress with the time left, and messages, on standard error.

Results are printed by the commands themselves, on standard output.
"""
