"""Process trees: start a program, find what it started, end all of it, whatever the system.

``spawn`` starts one; ``child`` is the protocol of one that can be stopped in whatever state it is;
``tree`` finds and kills a program with all that it started; ``records`` remembers in a file what
runs, so that the next run of a daemon can end what a killed one left behind.
"""
