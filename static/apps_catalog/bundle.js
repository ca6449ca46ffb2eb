// Choosing a bundle: an archive or a folder, chosen or dropped; it is looked over as soon as it is there.
const LEFT_OUT = /(^|\/)(\.git|\.hg|\.svn|\.venv|\.idea|\.vscode|__pycache__|__MACOSX|node_modules|\.DS_Store)(\/|$)|\.py[co]$/;

class Chooser {
  constructor(form) {
    this.form = form;
    this.archive = form.querySelector("#id_archive");
    this.folder = form.querySelector("#id_files");
    this.paths = form.querySelector("[data-paths]");
    this.drop = form.querySelector("[data-drop]");
    this.chosen = form.querySelector("[data-chosen]");
    this.note = form.querySelector("[data-note]");
    this.filesMax = Number(form.dataset.filesMax);
    this.bytesMax = Number(form.dataset.limitMib) * 1048576;
    this.archive.addEventListener("change", () => this.archive.files[0] && this.takeArchive(this.archive.files[0]));
    this.folder.addEventListener("change", () => {
      const files = [...this.folder.files].map((file) => [file.webkitRelativePath || file.name, file]);
      if (files.length) this.takeFolder(files);
    });
    for (const kind of ["dragenter", "dragover"]) {
      this.drop.addEventListener(kind, (event) => {
        event.preventDefault();
        this.drop.classList.add("is-over");
      });
    }
    this.drop.addEventListener("dragleave", () => this.drop.classList.remove("is-over"));
    this.drop.addEventListener("drop", (event) => this.dropped(event));
  }

  async dropped(event) {
    event.preventDefault();
    this.drop.classList.remove("is-over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const folder = entries.find((entry) => entry.isDirectory);
    if (folder) {
      this.takeFolder(await filesBelow(folder));
    } else if (event.dataTransfer.files[0]) {
      const holder = new DataTransfer();
      holder.items.add(event.dataTransfer.files[0]);
      this.archive.files = holder.files;
      this.takeArchive(event.dataTransfer.files[0]);
    }
  }

  takeArchive(file) {
    this.folder.value = "";
    this.paths.replaceChildren();
    if (file.size > this.bytesMax) {
      this.archive.value = "";
      this.say(`${file.name} is larger than a bundle may be (${this.form.dataset.limitMib} MiB).`);
      return;
    }
    this.say(file.name);
    this.look();
  }

  /** `files`: [path, file], in any order; what tools leave behind is not sent at all. */
  takeFolder(files) {
    const kept = files.filter(([path]) => !LEFT_OUT.test(path));
    this.archive.value = "";
    this.paths.replaceChildren();
    if (kept.length > this.filesMax) {
      this.folder.value = "";
      this.say(`The folder has ${kept.length.toLocaleString()} files; the browser sends ${this.filesMax} at most. Pack it as a zip.`);
      return;
    }
    const holder = new DataTransfer();
    for (const [path, file] of kept) {
      holder.items.add(file);
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = "paths";
      field.value = path;
      this.paths.append(field);
    }
    this.folder.files = holder.files;
    this.say(`${kept[0]?.[0].split("/")[0] ?? "The folder"}: ${kept.length} file${kept.length === 1 ? "" : "s"}`);
    this.look();
  }

  say(words) {
    this.chosen.textContent = words;
  }

  look() {
    this.form.dispatchEvent(new CustomEvent("slipway:chosen"));
  }
}

/** Every file below a folder that was dropped, with its path from that folder on. */
async function filesBelow(folder) {
  const found = [];
  const todo = [[folder, folder.name]];
  while (todo.length) {
    const [entry, path] = todo.pop();
    if (LEFT_OUT.test(path)) continue;
    if (entry.isFile) {
      found.push([path, await new Promise((resolve, reject) => entry.file(resolve, reject))]);
      continue;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) break;
      todo.push(...some.map((one) => [one, `${path}/${one.name}`]));
    }
  }
  return found;
}

for (const form of document.querySelectorAll("[data-bundle]")) new Chooser(form);
