"""Measure and compare the training speed of experiments with the real training loop."""
