// The page of one task that has not ended is drawn anew when its job tells that something happened.
import { refresh } from "./refresh.js";

const box = () => document.getElementById("task-state");

if (box()?.dataset.job && "open" in box().dataset) {
  const source = new EventSource(`/streams/jobs/${box().dataset.job}/`);
  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      await refresh("[data-live]");
      if (!("open" in box().dataset)) source.close();
    }, 500);
  };
  source.addEventListener("state", soon);
  source.addEventListener("end", () => {
    source.close();
    soon();
  });
}
