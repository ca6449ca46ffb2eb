"""Makes the results of the job of what all tasks wrote.

What it finds in its environment:
  TASK_RESULTS_DIR   the files of all tasks in one flat folder; a name that several tasks wrote has its chunk's number before
                     it (000_counted.json, 001_counted.json, ...), so that a sorted listing is in the order of chunks
  OUTPUT_DIR         a folder: each file in it is a result of the job
  ASSEMBLER_PARAMS   the parameters as JSON, as schema.json describes them; at least {}
  MISSING_CHUNKS     the numbers of chunks whose tasks failed, as JSON; [] unless the job allows that (max_failed_tasks)
"""

import json
import os
import shutil

params = json.loads(os.environ["ASSEMBLER_PARAMS"])
results = os.environ["TASK_RESULTS_DIR"]
target = os.path.join(os.environ["OUTPUT_DIR"], params.get("name", "all.txt"))

names = sorted(os.listdir(results))
with open(target, "wb") as out:
    for name in names:
        with open(os.path.join(results, name), "rb") as file:
            shutil.copyfileobj(file, out)
        out.write(b"\n")
print(f"Put {len(names)} files together.")
