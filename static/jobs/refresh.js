// Takes the parts of a page that move from the server again, and puts them in the place of the old ones.
const state = { running: false, again: false };

/** Fetch this page and replace each element that `selector` finds by its new self; ids must stay the same. */
export async function refresh(selector) {
  if (document.querySelector("dialog[open]") || holdsFocusedMenu(selector)) return false; // somebody is deciding something there
  if (state.running) {
    state.again = true;
    return false;
  }
  state.running = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (answer.redirected || !answer.ok) return false;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    replace(page, selector);
    document.dispatchEvent(new CustomEvent("slipway:refreshed"));
    return true;
  } catch {
    return false; // away for a moment: the next round tries again
  } finally {
    state.running = false;
    if (state.again) {
      state.again = false;
      refresh(selector);
    }
  }
}

function holdsFocusedMenu(selector) {
  return [...document.querySelectorAll(selector)].some((part) => part.querySelector("details.menu[open]"));
}

function replace(page, selector) {
  for (const old of document.querySelectorAll(selector)) {
    const fresh = old.id && page.getElementById(old.id);
    if (!fresh || fresh.outerHTML === old.outerHTML) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    const chosen = [...old.querySelectorAll("input:checked[id]")].map((input) => input.id);
    const open = [...old.querySelectorAll("details[open]")].map((details) => [...old.querySelectorAll("details")].indexOf(details));
    const scrolled = [...old.querySelectorAll(".table-scroll")].map((box) => box.scrollLeft);
    const own = document.importNode(fresh, true);
    old.replaceWith(own);
    for (const id of chosen) {
      const input = document.getElementById(id);
      if (input) input.checked = true;
    }
    const details = own.querySelectorAll("details");
    for (const index of open) if (details[index]) details[index].open = true;
    own.querySelectorAll(".table-scroll").forEach((box, index) => { box.scrollLeft = scrolled[index] || 0; });
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
}
