"""The pages of the jobs app, one module a subject."""
