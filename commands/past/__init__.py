"""An owner's past: his table `"TokenDiscovery"` in, a table of its shape out, what differs.

importing  ForeignTable -> rows -> PastStore
comparing  ForeignTable, PastStore -> what differs
exporting  PastStore's tables -> a table of his shape
"""
