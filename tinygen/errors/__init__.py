"""Errors that name the fix: checks of arguments, calls that do not fit a signature, names from other libraries.

Every message is one line of the form `who: expected ..., got ...: write ...`. Read `arguments`, `calls`, `hints`.
"""
