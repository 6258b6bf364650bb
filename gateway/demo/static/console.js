// The live page. One event a second brings the whole snapshot; everything that is shown is drawn from the last one and from
// the differences between the last 120. Text goes in as text, never as HTML: targets and tags are what strangers sent.
"use strict";

const KEPT = 120; // seconds of history, as in "two minutes"
const { root, token } = document.body.dataset;
const at = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en");
const state = { last: null, history: [], paused: false };

// Words for numbers

function duration(us) {
  if (!us) return "–";
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1000).toFixed(us < 1e4 ? 1 : 0)} ms`;
  return `${(us / 1e6).toFixed(1)} s`;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(bytes < 10240 ? 1 : 0)} KB`;
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GB`;
}

function span(seconds) {
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

function percent(part, all) {
  if (!all) return "–";
  const value = (part / all) * 100;
  return value === 100 || value === 0 ? `${value} %` : `${Math.min(value, 99.9).toFixed(1)} %`;
}

// Which colour an outcome has; the word itself always stands there too.
function tone(outcome) {
  if (outcome === "hit") return "good";
  if (outcome.startsWith("stale") || outcome === "revalidated") return "aged";
  if (outcome.includes("miss") || ["partial", "expired", "request"].includes(outcome)) return "cost";
  if (outcome.startsWith("collapsed")) return "thread";
  if (outcome.includes("error") || outcome.includes("fail")) return "bad";
  return "plain";
}

// Charts

const SVG = "http://www.w3.org/2000/svg";
function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const across = (index) => 240 - (state.history.length - 1 - index) * (240 / (KEPT - 1));

function drawRatio() {
  // A second without requests has no ratio: the line goes on level.
  const points = [];
  state.history.forEach(({ fast, all }, index) => {
    if (all) points.push([across(index), 57 - 54 * (fast / all)]);
    else if (points.length) points.push([across(index), points.at(-1)[1]]);
  });
  const chart = at("ratio-chart");
  if (!points.length) return chart.replaceChildren();
  const line = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  chart.replaceChildren(
    shape("path", { d: "M0 3H240", class: "grid" }),
    shape("path", { d: `M${points[0][0].toFixed(1)} 60L${line}L240 60Z`, class: "area" }),
    shape("path", { d: `M${line}`, class: "curve" }),
  );
}

function drawRate() {
  const top = Math.max(4, ...state.history.map(({ all }) => all));
  const width = 240 / KEPT;
  const bars = [];
  state.history.forEach(({ fast, all }, index) => {
    if (!all) return;
    const x = across(index) - width;
    const tall = (all / top) * 57;
    const low = (fast / top) * 57;
    const bar = { x: x.toFixed(2), width: (width * 0.8).toFixed(2) };
    bars.push(shape("rect", { ...bar, y: (60 - tall).toFixed(2), height: (tall - low).toFixed(2), class: "cost" }));
    bars.push(shape("rect", { ...bar, y: (60 - low).toFixed(2), height: low.toFixed(2), class: "good" }));
  });
  at("rate-chart").replaceChildren(shape("path", { d: "M0 3H240", class: "grid" }), ...bars);
  at("rate-top").textContent = `top line: ${whole.format(Math.round(top))}`;
}

// Panels

function drawLatency({ latency_hit_us: hit = {}, latency_miss_us: miss = {} }) {
  for (const [id, us] of [["hit-p50", hit.p50], ["hit-p99", hit.p99], ["miss-p50", miss.p50], ["miss-p99", miss.p99]]) {
    at(id).textContent = duration(us);
    // Logarithmic, 1 µs to 1 s: otherwise a hit's bar could not be seen beside a miss's.
    at(`${id}-bar`).style.width = `${us ? Math.max(2, Math.min(100, (Math.log10(us) / 6) * 100)) : 0}%`;
  }
  const times = hit.p50 && miss.p50 ? miss.p50 / hit.p50 : 0;
  at("faster").textContent = times ? `${whole.format(times < 10 ? Number(times.toFixed(1)) : Math.round(times))}×` : "–";
  at("faster-words").textContent = times ? "sooner from the cache" : "";
}

function drawRecent(recent) {
  at("quiet").hidden = recent.length > 0;
  if (state.paused) return;
  at("recent").replaceChildren(...recent.map((entry) => {
    const row = document.createElement("tr");
    const cell = (text, className = "") => {
      const element = row.insertCell();
      element.textContent = text;
      element.className = className;
      return element;
    };
    cell(new Date(entry.time * 1000).toLocaleTimeString("en-GB"), "time");
    const badge = document.createElement("span");
    badge.className = `badge ${tone(entry.outcome)}`;
    badge.textContent = entry.outcome;
    cell("").append(badge);
    const target = cell(`${entry.method === "GET" ? "" : `${entry.method} `}${entry.target}`, "target");
    target.title = entry.target;
    cell(entry.status, `number${entry.status >= 500 ? " bad" : ""}`);
    cell(duration(entry.us), "number");
    cell(size(entry.bytes), "number");
    return row;
  }));
}

const rows = new Map(); // tag → its row: kept from second to second, so that a focused button stays focused
function drawTags(tags) {
  at("untagged").hidden = tags.length > 0;
  const list = at("tags");
  const seen = new Set(tags.map(({ tag }) => tag));
  for (const [tag, row] of rows) {
    if (!seen.has(tag)) {
      row.remove();
      rows.delete(tag);
    }
  }
  const held = list.contains(document.activeElement);
  tags.forEach(({ tag, entries }, index) => {
    let row = rows.get(tag);
    if (!row) {
      row = document.createElement("li");
      const name = document.createElement("code");
      name.textContent = tag;
      name.title = tag;
      const count = document.createElement("span");
      count.className = "number";
      const buttons = ["soft", "hard"].map((how) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = how === "hard" ? "small danger" : "small";
        button.textContent = how === "hard" ? "Hard" : "Purge";
        button.setAttribute("aria-label", `Purge ${tag}, ${how}`);
        button.addEventListener("click", () => purge({ tag, hard: String(how === "hard") }, `tag ${tag}`));
        return button;
      });
      row.append(name, count, ...buttons);
      rows.set(tag, row);
      list.append(row);
    }
    row.children[1].textContent = whole.format(entries);
    // Moving a row would take the focus out of it, so the order waits until nobody is in the list.
    if (!held && list.children[index] !== row) list.insertBefore(row, list.children[index]);
  });
}

function drawPieces({ includes = {}, traces = [] }) {
  for (const element of document.querySelectorAll("[data-outcome]")) {
    const count = includes[element.dataset.outcome] ?? 0;
    element.textContent = whole.format(count);
    element.parentElement.classList.toggle("none", count === 0);
  }
  const list = at("traces");
  if (!list) return;
  at("untraced").hidden = traces.length > 0;
  if (list.dataset.shown === JSON.stringify(traces)) return; // a focused link stays focused
  list.dataset.shown = JSON.stringify(traces);
  list.replaceChildren(...traces.map(({ id, url, includes: count, without, ms }) => {
    const row = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${root}/trace/${encodeURIComponent(id)}`;
    link.textContent = url.replace(/^https?:\/\/[^/]*/, "");
    const pieces = document.createElement("span");
    pieces.textContent = `${count} ${count === 1 ? "include" : "includes"}${without ? `, ${without} missing` : ""}`;
    const took = document.createElement("span");
    took.textContent = duration(ms * 1000);
    row.append(link, pieces, took);
    return row;
  }));
}

function draw(now) {
  const { last, history } = state;
  const fast = ({ hits = 0, stale = 0 }) => hits + stale; // answered without waiting for the origin
  if (last && now.requests >= last.requests) {
    // Events may come late; the server's own clock says how many seconds a difference covers.
    const seconds = Math.max(0.2, (now.uptime ?? 0) - (last.uptime ?? 0) || 1);
    history.push({ all: (now.requests - last.requests) / seconds, fast: (fast(now) - fast(last)) / seconds });
    if (history.length > KEPT) history.shift();
  }
  state.last = now;

  at("ratio").textContent = percent(fast(now), now.requests);
  const recent = history.reduce((sum, one) => ({ fast: sum.fast + one.fast, all: sum.all + one.all }), { fast: 0, all: 0 });
  at("ratio-now").textContent = recent.all ? `in this time: ${percent(recent.fast, recent.all)}` : "now";
  const rate = history.at(-1)?.all ?? 0;
  at("rate").textContent = rate < 10 ? rate.toFixed(1).replace(/\.0$/, "") : whole.format(Math.round(rate));
  drawRatio();
  drawRate();
  drawLatency(now);
  for (const element of document.querySelectorAll("[data-count]")) element.textContent = whole.format(now[element.dataset.count] ?? 0);
  const used = now.max_bytes ? (now.bytes / now.max_bytes) * 100 : 0;
  at("memory").textContent = `${size(now.bytes ?? 0)} of ${size(now.max_bytes ?? 0)}`;
  at("memory-bar").style.width = `${Math.min(100, used)}%`;
  at("memory-meter").setAttribute("aria-valuenow", used.toFixed(1));
  at("uptime").textContent = `up ${span(now.uptime ?? 0)}`;
  drawRecent(now.recent ?? []);
  drawTags(now.tags ?? []);
  drawPieces(now);
}

// Actions

let quiet;
function say(text, isBad = false) {
  const said = at("said");
  said.textContent = text;
  said.classList.toggle("bad", isBad);
  clearTimeout(quiet);
  quiet = setTimeout(() => { said.textContent = ""; }, 6000);
}

async function post(path, body) {
  const response = await fetch(`${root}/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-weft-demo-token": token },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `status ${response.status}`);
  return answer;
}

async function purge(what, words) {
  try {
    const { purged = 0 } = await post("purge", what);
    say(`Purged ${words}${what.hard === "true" ? ", hard" : ""}: ${whole.format(purged)} ${purged === 1 ? "entry" : "entries"}.`);
  } catch (error) {
    say(`Not purged: ${error.message}`, true);
  }
}

at("by-url").addEventListener("submit", (event) => {
  event.preventDefault();
  const url = at("url").value.trim();
  if (url) purge({ url, hard: event.submitter?.value ?? "false" }, url); // Enter is the first button: soft
});

at("by-path")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const { trace } = await post("traces", { path: at("path").value.trim() });
    location.assign(`${root}/trace/${encodeURIComponent(trace)}`);
  } catch (error) {
    say(`Not traced: ${error.message}`, true);
  }
});

for (const button of document.querySelectorAll("[data-everything]")) {
  button.addEventListener("click", () => purge({ everything: "true", hard: button.dataset.everything }, "everything"));
}

at("visitors").addEventListener("click", async ({ currentTarget: button }) => {
  // aria-disabled, not disabled: a disabled button would drop the keyboard focus.
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  let wait = 500;
  try {
    const { visits, seconds } = await post("visitors", {});
    say(`${visits} visits are on their way, over ${seconds} seconds.`);
    wait = seconds * 1000;
  } catch (error) {
    say(`No visitors: ${error.message}`, true);
  }
  setTimeout(() => button.removeAttribute("aria-disabled"), wait);
});

at("pause").addEventListener("click", ({ currentTarget: button }) => {
  state.paused = !state.paused;
  button.setAttribute("aria-pressed", String(state.paused));
  button.textContent = state.paused ? "Go on" : "Pause";
  if (!state.paused && state.last) drawRecent(state.last.recent ?? []);
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      say("Copied.");
    } catch {
      // No clipboard on plain HTTP away from localhost: mark the text, and Ctrl+C does the rest.
      getSelection().selectAllChildren(code);
      say("Marked: press Ctrl+C to copy.");
    }
  });
}

// The stream

function show(condition, words) {
  document.querySelector("[data-state]").dataset.state = condition;
  at("state").textContent = words;
}

const events = new EventSource(`${root}/events`);
events.addEventListener("open", () => show("live", "live"));
events.addEventListener("error", () => {
  // The browser tries again by itself unless the answer was no stream at all (too many watchers).
  if (events.readyState === EventSource.CLOSED) show("lost", "no stream; reload to try again");
  else show("wait", "reconnecting");
});
events.addEventListener("message", ({ data }) => draw(JSON.parse(data)));
