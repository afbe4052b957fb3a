"""The resources that users write and read, one package a version.

Shapes, bounds, defaults and the vocabulary of status belong here. What the operator does about a
resource does not: that is decided in ``services``.
"""
