"""The relay: how the portal's bytes reach a program in a container that has no network.

A worker listens on one address for all its attempts (jobs.relay.server). The portal dials it (jobs.relay.dial), proves
that it knows the attempt's secret and names a target (jobs.relay.handshake); from then on bytes are passed on both ways.
What a target may be is the registry in jobs.relay.targets.
"""
