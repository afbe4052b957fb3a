"""The model of the field, pure: what a twin is and how every number in a status comes about.

Here belong numpy, scikit-learn and the standard library. Clocks, files, networks, pydantic and any random state that is
not an argument do not: a function of this package gives the same answer for the same arguments, always.
"""
