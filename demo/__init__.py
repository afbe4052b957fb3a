"""The demonstration: twins of 64,000 customers on a cluster in processes, asked, graded, trained again.

What belongs here is the story of `make demo`. It uses the operator only as a user would,
by Helm, manifests and kubectl, and imports nothing of it.
"""
