"""What runs in another process: jobs of a pool or of Ray, and the processes that share a batch.

Each makes its own workspace from a `Place`. ``train`` and ``score`` are the jobs; ``process`` reads
a job and sends its events; ``torchrun`` starts the processes of one run, and ``ranks`` joins them.
"""
