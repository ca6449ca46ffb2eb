// Fields that depend on switches (`if`, `ifnot`): shown and hidden at once. What is hidden keeps its value; the server ignores it.

/** Whether the field or silent switch `name` takes part; a switch that does not counts as off. `seen` ends circles. */
function takesPart(form, name, seen) {
  const rule = form.rules.get(name);
  if (!rule) return true;
  if (seen.has(name)) return false;
  const deeper = new Set(seen).add(name);
  const on = (flag) => form.isOn(flag) && takesPart(form, flag, deeper);
  return rule.on.every(on) && !rule.off.some(on);
}

function readForm(root) {
  const fields = new Map();
  const rules = new Map();
  const flags = new Map();
  for (const field of root.querySelectorAll("[data-field]")) fields.set(field.dataset.field, field);
  for (const flag of root.querySelectorAll("[data-flag]")) flags.set(flag.dataset.flag, flag);
  for (const [name, element] of [...fields, ...flags]) {
    if (element.dataset.when) rules.set(name, JSON.parse(element.dataset.when));
  }
  const isOn = (name) => (flags.has(name)
    ? "on" in flags.get(name).dataset
    : Boolean(fields.get(name)?.querySelector('input[type="checkbox"]')?.checked));
  return { fields, rules, isOn };
}

function announcer(root) {
  const line = document.createElement("p");
  line.className = "visually-hidden";
  line.setAttribute("role", "status");
  root.append(line);
  return line;
}

const labelOf = (field) => field.querySelector(".form-label, .form-check-label")?.textContent.trim() ?? "";

/** Says which rows a switch rules, for those who don't see them come and go. */
function nameRuled(form) {
  const ruled = new Map();
  for (const [name, rule] of form.rules) {
    const id = form.fields.get(name)?.id;
    if (!id) continue;
    for (const flag of [...rule.on, ...rule.off]) ruled.set(flag, [...(ruled.get(flag) ?? []), id]);
  }
  for (const [flag, ids] of ruled) {
    form.fields.get(flag)?.querySelector('input[type="checkbox"]')?.setAttribute("aria-controls", ids.join(" "));
  }
}

/** The heading of a group is there as long as a field of it is. */
function settleHeading(heading) {
  let any = false;
  for (let next = heading.nextElementSibling; next && !next.matches(".lf-group"); next = next.nextElementSibling) {
    any ||= next.matches("[data-field]:not([data-absent])");
  }
  heading.hidden = !any;
}

function count(root) {
  root.querySelectorAll(".lf-group").forEach(settleHeading);
  for (const section of root.querySelectorAll("[data-fields]")) {
    const shown = section.querySelectorAll("[data-field]:not([data-absent])").length;
    section.hidden = shown === 0;
    const words = section.querySelector("[data-fields-count]");
    if (words) words.textContent = `${shown} parameter${shown === 1 ? "" : "s"}`;
  }
}

/** Ties the conditional fields inside `root` (one form) to their switches. */
export function tieConditions(root) {
  const form = readForm(root);
  if (!form.rules.size) return;
  const status = announcer(root);
  nameRuled(form);

  function settle() {
    const changed = { Shown: [], Hidden: [] };
    for (const name of form.rules.keys()) {
      const field = form.fields.get(name);
      if (!field) continue;
      const absent = !takesPart(form, name, new Set());
      if (field.hidden !== absent) changed[absent ? "Hidden" : "Shown"].push(labelOf(field));
      field.hidden = absent;
      field.toggleAttribute("data-absent", absent);
    }
    count(root);
    return Object.entries(changed).filter(([, labels]) => labels.length).map(([word, labels]) => `${word}: ${labels.join(", ")}.`).join(" ");
  }

  root.addEventListener("change", (event) => {
    if (!event.target.matches?.('input[type="checkbox"]')) return;
    const words = settle();
    if (words) status.textContent = words;
  });
  window.addEventListener("pageshow", settle); // the browser may have put old values back
  settle();
}
