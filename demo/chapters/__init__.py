"""The parts of the demo's story, in the order in which they are told.

Each takes a stage, does what a person would do with kubectl, shows what came out, and gives its claims.
"""
