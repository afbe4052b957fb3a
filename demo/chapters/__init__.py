"""The chapters of the demo, in their order.

Each takes a stage, does what a user would do with kubectl, shows what came out, and gives its claims.
"""
