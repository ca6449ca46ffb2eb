// Lists that keep themselves fresh: every element with data-refresh-s, while the page is looked at.
import { refresh } from "./refresh.js";

function round() {
  const live = document.querySelector("[data-refresh-s]");
  setTimeout(async () => {
    if (!document.hidden && document.querySelector("[data-refresh-s]")) await refresh("[data-refresh-s]");
    round();
  }, 1000 * Number(live?.dataset.refreshS || 30));
}

round();
