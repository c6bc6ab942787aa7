"""Replicas: many copies of a model, each in a process of its own, for the sessions of one front.

The front holds sessions, look-up, planning and pictures. A run is a call: the plan, the names of its sources, the field
and the words go to a replica, which samples, decodes, and yields every step. A session's calls go to one replica as
long as that lives and is free, and there its sources are at hand; another one finds them in the store that all share,
or asks the front for them. `serve.py` is the only file that knows Ray.
"""
