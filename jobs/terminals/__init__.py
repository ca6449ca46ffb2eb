"""Terminals in the browser: what a program shows is kept here at the worker for all who look on, and one of them types.

A session (jobs.terminals.sessions) belongs to a program's terminal: that of a job whose command asks for one (`webshell`),
or of a shell opened beside a job's program. Who looks on is a viewer (jobs.terminals.viewers). What goes between a viewer
and the browser, through the relay and the portal, is in jobs.terminals.wire.
"""
