"""The proxy: what jobs serve, shown in a browser under an origin of its own, ahead of Django and apart from the portal.

application   which requests are for an app, and what becomes of each
gate          who may come in: tickets, passes, and asking again while something is open
headers       what of a request reaches the app, and what of its answer reaches the browser
exchange      HTTP, both ways as a stream
upstream      the connections to an app that HTTP goes over, and those kept for the next request
sockets       WebSockets, message by message
notices       what is said where there is no app to answer
"""
