"""Figures of performance, each as a ratio to a baseline that ran in the same run. One package a subject."""
