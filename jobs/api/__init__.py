"""Jobs, machines and files over the API."""
