"""What runs on the far side of a fork: programs on a leash, and containers in namespaces of their own.

Modules in here import the standard library alone: they start with `python -I -S` in some 20 ms,
and they become another program as soon as its surroundings are made.
"""
