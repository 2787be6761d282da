"""What stands under the command line and the Python interface: `Lab` and what it does.

`ganlab.lab.lab.Lab` is the one object to start from. Training is in ``trainer``, scoring in
``scoring``, sweeps in ``sweeps``, extractors in ``extractors``, speed in ``benchmarks``. Nothing
here parses arguments or prints.
"""
