"""The demonstration: twins of 64,000 customers on a cluster in processes; docs/demo.md is its story.

It uses the operator only as a user would, by Helm, manifests and kubectl, and imports nothing of it.
"""
