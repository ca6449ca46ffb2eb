"""The Task Builder: from parameters and their hints to fields, and from a posted form back to a submission."""
