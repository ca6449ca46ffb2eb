"""What each task of this app does: one chunk in, files out. It runs once for every chunk, on any host, and knows no other task.

What it finds in its environment:
  TASK_DIR           a folder with one file, data.bin: this task's chunk
  TASK_RESULTS_DIR   a folder: each file in it is a result of this task
  APP_PARAMS         the parameters as JSON, as schema.json describes them; at least {}
  CHUNK_NUMBER       "0", "1", ... : which chunk this is
  USER_CACHE_DIR     a folder of whoever runs it, which lasts; SHARED_CACHE_DIR is for all, read-only
A task fails by a non-zero exit code; what it prints is its log.
"""

import json
import os

params = json.loads(os.environ["APP_PARAMS"])
number = os.environ["CHUNK_NUMBER"]

# 1. Read the chunk. It is bytes: decode them as what you expect.
with open(os.path.join(os.environ["TASK_DIR"], "data.bin"), "rb") as file:
    text = file.read().decode("utf-8", "replace")

# 2. Do the work.
word = params.get("word", "")
lines = text.splitlines()
found = [line for line in lines if word.lower() in line.lower()]
print(f"Chunk {number}: {len(found)} of {len(lines)} lines hold {word!r}.")

# 3. Write the results. Tasks may write the same name: the assembler finds them as 000_counted.json, 001_counted.json, ...
with open(os.path.join(os.environ["TASK_RESULTS_DIR"], "counted.json"), "w") as file:
    json.dump({"chunk": int(number), "lines": len(lines), "found": len(found)}, file)
