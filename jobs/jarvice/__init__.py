"""The JARVICE door, /api/jarvice/...: what clients of a JARVICE send and expect, over the same services as every other door."""
