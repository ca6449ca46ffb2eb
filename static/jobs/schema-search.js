// The search among the fields of a schema's form: what fits stays, with the sections around it, all of them open.

export function searchSchema(form) {
  const box = form.querySelector("[data-schema-search]");
  if (!box) return;
  const input = box.querySelector("input");
  const count = box.querySelector("[data-search-count]");
  const root = box.closest("[data-schema-form]");
  let folds = null;
  box.hidden = false;

  const words = () => input.value.toLowerCase().split(/\s+/).filter(Boolean);

  function unfold(searching) {
    const all = [...root.querySelectorAll("details[data-section]")];
    if (searching && !folds) folds = new Map(all.map((fold) => [fold, fold.open]));
    for (const fold of all) {
      if (searching) fold.open = true;
      else if (folds?.has(fold)) fold.open = folds.get(fold);
    }
    if (!searching) folds = null;
  }

  function find() {
    const wanted = words();
    const leaves = [...root.querySelectorAll("[data-node]")].filter((node) => node !== root && !node.querySelector("[data-node]"));
    let found = 0;
    for (const leaf of leaves) {
      let text = "";
      for (let node = leaf; node && node !== root; node = node.parentElement.closest("[data-node]")) text += ` ${node.dataset.search || ""}`;
      const fits = wanted.every((word) => text.includes(word));
      leaf.classList.toggle("sf-out", !fits);
      found += fits;
    }
    for (const around of root.querySelectorAll("details[data-section], .sf-part, .sf-node, .card")) {
      if (!around.querySelector("[data-node]")) continue;
      around.classList.toggle("sf-out", wanted.length > 0 && !around.querySelector("[data-node]:not(.sf-out):not(:has([data-node]))"));
    }
    unfold(wanted.length > 0);
    count.textContent = wanted.length ? `${found} of ${leaves.length} shown` : "";
  }

  input.addEventListener("input", (event) => {
    event.stopPropagation(); // nothing of the job changes
    find();
  });
  input.addEventListener("change", (event) => event.stopPropagation());
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-goto]") || !input.value) return;
    input.value = ""; // the way to a field must not lead to one that is filtered out
    find();
  }, true);
}
