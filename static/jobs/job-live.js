// A job's page follows the job: its parts are fetched anew when the server says that something changed.
import { toast } from "../portal/portal.js";
import { refresh } from "./refresh.js";
import { showStages } from "./stage-bars.js";

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

/** What of a state the bars don't show: when it changes, the page is drawn anew. */
function apart(now) {
  const stages = Object.entries(now.stages || {}).map(([name, [state, total]]) => [name, state, total]);
  return JSON.stringify({ ...now, stages });
}

let freshAt = 0;
let later = 0;

/** A job of many tasks tells of itself often: its page is drawn anew every two seconds at most. */
async function afresh(now) {
  const left = freshAt + 2000 - Date.now();
  clearTimeout(later);
  if (!now && left > 0 && "inStages" in (head()?.dataset || {})) {
    later = setTimeout(() => afresh(true), left);
    return;
  }
  freshAt = Date.now();
  await refresh("[data-live]");
}

function follow() {
  const source = new EventSource(`/streams/jobs/${number}/`);
  let first = true;
  let known = "";
  source.addEventListener("state", async (event) => {
    const now = JSON.parse(event.data);
    const before = head()?.dataset.state;
    showState(now.state);
    const beside = apart(now);
    if (now.stages) {
      showStages(now.stages);
      document.dispatchEvent(new CustomEvent("slipway:stages", { detail: now.stages }));
    }
    if ((!first && beside !== known) || now.state !== before) await afresh(now.terminal);
    known = beside;
    if (now.terminal && before !== now.state) toast(`Job ${number} ${now.state}.`, now.state === "succeeded" ? "success" : "warning");
    if (!now.stages || now.terminal) document.dispatchEvent(new CustomEvent("slipway:job", { detail: now }));
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

if (number) {
  showState(head().dataset.state);
  if (head().dataset.terminal !== "yes") {
    follow();
    whileWaiting();
  }
}
