"""What a definition means: parsing, JSON Schema, validation and run plans. Pure Python, no Django."""
