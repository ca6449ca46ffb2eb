// The live page: values come as server-sent events, the form goes by fetch. All addresses are relative.
"use strict";

const SECONDS = 300;
const WIDTH = 800, HEIGHT = 260, LEFT = 52, TOP = 22, BOTTOM = 30;
const byId = (id) => document.getElementById(id);
let values = []; // [seconds, temperature, target]

function points(column, x, y) {
  return values.map((value) => `${x(value[0]).toFixed(1)},${y(value[column]).toFixed(1)}`).join(" ");
}

function piece(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function draw() {
  if (!values.length) return;
  const last = values[values.length - 1][0];
  values = values.filter((value) => value[0] >= last - SECONDS);
  const all = values.flatMap((value) => [value[1], value[2]]);
  const low = Math.floor(Math.min(...all) / 5) * 5, high = Math.max(low + 10, Math.ceil(Math.max(...all) / 5) * 5);
  const first = Math.min(values[0][0], last - 30);
  const x = (at) => LEFT + ((at - first) / (last - first)) * (WIDTH - LEFT - 8);
  const y = (degrees) => TOP + ((high - degrees) / (high - low)) * (HEIGHT - BOTTOM - TOP);
  const grid = [];
  for (let degrees = low; degrees <= high; degrees += 5) {
    grid.push(piece("line", { x1: LEFT, x2: WIDTH - 8, y1: y(degrees), y2: y(degrees) }));
    grid.push(piece("text", { x: LEFT - 8, y: y(degrees) + 4, "text-anchor": "end" }, `${degrees}`));
  }
  grid.push(piece("text", { x: LEFT, y: HEIGHT - 4 }, `${Math.round(last - first)} s ago`));
  grid.push(piece("text", { x: WIDTH - 8, y: HEIGHT - 4, "text-anchor": "end" }, "now"));
  byId("grid").replaceChildren(...grid);
  byId("line").setAttribute("points", points(1, x, y));
  byId("target-line").setAttribute("points", points(2, x, y));
}

function show(state) {
  byId("temperature").value = state.temperature.toFixed(1);
  byId("target-now").value = state.target.toFixed(1);
  byId("heating").value = state.heating ? "on" : "off";
  byId("window-now").value = state.window ? "open" : "closed";
  const last = values.length ? values[values.length - 1][0] : -1;
  if (state.elapsed_s > last) values.push([state.elapsed_s, state.temperature, state.target]);
  draw();
}

function say(words, bad) {
  byId("said").textContent = words;
  byId("said").classList.toggle("bad", bad);
}

async function send(address, body) {
  try {
    const answer = await fetch(address, { method: "POST", body });
    say((await answer.json()).message, !answer.ok);
  } catch {
    say("No answer. Is the job still running?", true);
  }
}

const events = new EventSource("events");
events.addEventListener("open", () => { byId("connection").textContent = "Live"; });
events.addEventListener("error", () => { byId("connection").textContent = "Not connected; trying again"; });
events.addEventListener("past", (event) => { values = JSON.parse(event.data); draw(); });
events.addEventListener("now", (event) => show(JSON.parse(event.data)));
events.addEventListener("end", () => {
  events.close();
  byId("connection").textContent = "Ended";
  for (const button of document.querySelectorAll("button")) button.disabled = true;
});

byId("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  send("settings", new URLSearchParams(new FormData(event.target)));
});
byId("stop").addEventListener("click", () => send("stop", new URLSearchParams()));
