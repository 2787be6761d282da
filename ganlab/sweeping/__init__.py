"""Training the runs of a sweep: one after the other, in processes, or on a Ray cluster.

An engine is a class with a method ``run``, see `ganlab.sweeping.jobs`. It knows how to start a
function somewhere and to hear from it, and nothing of training.
"""
