// A job's page follows the job: its parts are fetched anew when the server says that something changed.
import { toast } from "../portal/portal.js";
import { refresh } from "./refresh.js";

const head = () => document.getElementById("job-head");
const number = head()?.dataset.job;
const plainTitle = document.title;
const MARKS = { queued: "…", running: "▶", succeeded: "✓", failed: "✗", cancelled: "–" };
const COLOURS = { queued: "#5b6fc7", running: "#1689ad", succeeded: "#2b8a4b", failed: "#c2382b", cancelled: "#77878c" };

function showState(state) {
  document.title = `${MARKS[state] || ""} ${plainTitle}`.trim();
  const link = document.getElementById("favicon");
  if (!link || !COLOURS[state]) return;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#f26b3a"/><path d="M3.5 19.2 25 26.6" stroke="#fff" stroke-width="2.6"/><path d="M8.2 10.1 26.6 16.4 22.2 22.3 10.6 18.3Z" fill="#fff"/><circle cx="24" cy="24" r="8" fill="${COLOURS[state]}" stroke="#fff" stroke-width="2"/></svg>`;
  link.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

function follow() {
  const source = new EventSource(`/streams/jobs/${number}/`);
  let first = true;
  source.addEventListener("state", async (event) => {
    const now = JSON.parse(event.data);
    const before = head()?.dataset.state;
    showState(now.state);
    if (!first || now.state !== before) await refresh("[data-live]");
    if (now.terminal && before !== now.state) toast(`Job ${number} ${now.state}.`, now.state === "succeeded" ? "success" : "warning");
    document.dispatchEvent(new CustomEvent("slipway:job", { detail: now }));
    first = false;
  });
  source.addEventListener("usage", () => {
    document.dispatchEvent(new CustomEvent("slipway:usage"));
    if (document.getElementById("metrics-table")) refresh("#metrics-table");
  });
  source.addEventListener("end", () => source.close());
}

function whileWaiting() {
  setTimeout(async () => {
    if (head()?.dataset.refreshS && !document.hidden) await refresh("#job-head"); // the place in the line moves without a notice
    if (head()?.dataset.terminal !== "yes") whileWaiting();
  }, 10000);
}

// What is waited for counts its seconds between two answers of the server.
let counted = null;
function count() {
  const place = document.querySelector("[data-counted]");
  if (!place) {
    counted = null;
    return;
  }
  if (counted?.place !== place) counted = { place, from: performance.now() - Number(place.dataset.counted) * 1000 };
  const seconds = Math.round((performance.now() - counted.from) / 1000);
  place.textContent = `(${seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`})`;
}

if (number) {
  setInterval(count, 1000);
  showState(head().dataset.state);
  if (head().dataset.terminal !== "yes") {
    follow();
    whileWaiting();
  }
}
