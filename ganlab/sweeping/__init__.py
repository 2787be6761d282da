"""Engines that train the runs of a sweep: sequentially, in processes, or on a Ray cluster.

An engine implements `ganlab.sweeping.jobs.Engine`. It starts jobs and receives their events, and
does not depend on the training code.
"""
