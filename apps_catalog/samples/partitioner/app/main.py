"""Splits the source into chunks: each file that this writes becomes one task of the app.

What it finds in its environment:
  SOURCE_DIR           a folder with the source's files; one dummy file where the job has no source (bypass)
  CHUNKS_DIR           a folder: write data_0.bin, data_1.bin, ... there, none of them empty
  PARTITIONER_PARAMS   the parameters as JSON, as schema.json describes them; at least {}
"""

import itertools
import json
import os

params = json.loads(os.environ["PARTITIONER_PARAMS"])
lines_each = params.get("lines", 100)
source, chunks = os.environ["SOURCE_DIR"], os.environ["CHUNKS_DIR"]

number = 0
for name in sorted(os.listdir(source)):
    # Read in pieces: a source may be larger than the memory.
    with open(os.path.join(source, name), "rb") as file:
        while True:
            lines = list(itertools.islice(file, lines_each))
            if not lines:
                break
            with open(os.path.join(chunks, f"data_{number}.bin"), "wb") as chunk:
                chunk.writelines(lines)
            number += 1
print(f"Made {number} chunks of at most {lines_each} lines.")
