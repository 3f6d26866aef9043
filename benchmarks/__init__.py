"""What the service costs, beside what others would take instead: `python -m benchmarks`.

Every benchmark runs its peer in the same run, on the same servers, and states the ratio: times
of one machine mean little, ratios mean much.
"""
