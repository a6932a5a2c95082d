"""The command line: one file a command, `app` puts them together.

A command's module imports nothing heavy at its top, so `imagegen --help` does not load torch; what it needs
it imports when it runs.
"""
