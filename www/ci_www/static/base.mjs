// The shell of every page: live regions, ticking times, keys. Pages work without it.

const body = document.body;
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// --- cookies: what the server needs to know of this browser ---------------------------------
export function setCookie(name, value) {
  document.cookie = `${name}=${encodeURIComponent(value)};path=/;max-age=31536000;SameSite=Lax`;
}
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (body.dataset.zone === "" && zone) {
  setCookie("tz", zone);
  localTimes(document);
}

// Only until the cookie is known to the server: times in the browser's own zone.
function localTimes(root) {
  if (body.dataset.zone !== "" || body.hasAttribute("data-relative")) return;
  const now = new Date();
  const pad = (n) => String(n).padStart(2, "0");
  for (const time of $$("time:not(.ago)", root)) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(+at)) continue;
    const clock = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
    const month = at.toLocaleString("en", { month: "short" });
    if (at.toDateString() === now.toDateString()) time.textContent = `${clock}:${pad(at.getSeconds())}`;
    else if (now - at < 90 * 864e5) time.textContent = `${month} ${at.getDate()} ${clock}`;
  }
}

// --- durations that grow --------------------------------------------------------------------
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
}
function rough(s) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]])
    if (s >= 2 * size || (s >= size && size < 86400)) return `${Math.floor(s / size)} ${unit}`;
  return `${Math.floor(s)} s`;
}
function tick() {
  if (document.hidden) return;
  const now = Date.now() / 1000;
  for (const el of $$("[data-since]")) el.textContent = duration(now - el.dataset.since);
  for (const el of $$("[data-usual]")) {
    const past = now - el.dataset.start;
    const usual = +el.dataset.usual;
    el.firstElementChild.value = Math.min(99, Math.floor((100 * past) / usual));
    el.lastElementChild.textContent = past <= usual ? `${duration(usual - past)} left` : `${duration(past - usual)} over`;
  }
  for (const el of $$("time.ago")) {
    const apart = now - Date.parse(el.dateTime) / 1000;
    el.textContent = Math.abs(apart) < 2 ? "now" : apart > 0 ? `${rough(apart)} ago` : `in ${rough(-apart)}`;
  }
}
setInterval(tick, 1000);

// --- swapping a region: keep what the reader holds -------------------------------------------
function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}
function morph(old, now) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
    return;
  }
  const keepOpen = old.nodeName === "DETAILS";
  const field = /^(INPUT|SELECT|TEXTAREA)$/.test(old.nodeName);
  for (const { name, value } of now.attributes)
    if (!(keepOpen && name === "open" && old.dataset.touched) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes])
    if (!now.hasAttribute(name) && !(keepOpen && (name === "open" || name === "data-touched")) && name !== "tabindex") old.removeAttribute(name);
  if (field) return;
  const stick = old.hasAttribute("data-stick") && old.scrollHeight - old.scrollTop - old.clientHeight < 24;
  let at = old.firstChild;
  for (const child of [...now.childNodes]) {
    if (at && !alike(at, child)) {
      let ahead = at.nextSibling;
      for (let n = 0; ahead && n < 4 && !alike(ahead, child); n++) ahead = ahead.nextSibling;
      if (child.id && ahead && alike(ahead, child)) while (at !== ahead) { const next = at.nextSibling; at.remove(); at = next; }
    }
    if (at && alike(at, child)) { morph(at, child); at = at.nextSibling; }
    else old.insertBefore(document.importNode(child, true), at);
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
  if (stick) old.scrollTop = old.scrollHeight;
}
document.addEventListener("click", (event) => {
  const summary = event.target.closest("summary");
  if (summary) summary.parentElement.dataset.touched = "1";
});

let said = 0;
function say(text) {
  const wait = Math.max(0, said + 2000 - Date.now());
  setTimeout(() => { said = Date.now(); $("#say").textContent = text; }, wait);
}
function swap(html) {
  const made = new DOMParser().parseFromString(`<body>${html}`, "text/html").body;
  for (const part of $$("[data-region]", made)) {
    const old = $(`[data-region="${part.dataset.region}"]`);
    if (!old) continue;
    const before = $("[data-say]", old)?.dataset.say;
    morph(old, part);
    localTimes(old);
    const after = $("[data-say]", old)?.dataset.say;
    if (after && before !== after) say(after);
    if (part.dataset.title) document.title = part.dataset.title;
    if (part.dataset.icon) $("link[rel=icon]").href = part.dataset.icon;
  }
  document.dispatchEvent(new CustomEvent("swapped"));
}

// --- live -----------------------------------------------------------------------------------
let seq = +body.dataset.seq || 0;
let socket = null, told = "";
const due = new Set();
const fetched = new Map();
let fetching = false;
let timer = 0;

function matches(topic, key) {
  const a = topic.split("/"), b = key.split("/");
  return a.length === b.length && a.every((part, i) => part === "*" || part === b[i]);
}
const listeners = [];
/** Call back with (key, message) for events of a topic. */
export function listen(topic, callback) { listeners.push([topic, callback]); subscribe(); }

function heard(key, message) {
  for (const region of $$("[data-region]"))
    if ((region.dataset.topics || "").split(" ").some((topic) => matches(topic, key))) due.add(region.dataset.region);
  for (const [topic, callback] of listeners) if (matches(topic, key)) callback(key, message);
  soon();
}
// A region is asked for once a second at most, where lines of a log grow a bit more often.
const every = (name) => +($(`[data-region="${name}"]`)?.dataset.every || 1000);
function soon() {
  if (!due.size || fetching || timer || document.hidden) return;
  const now = performance.now();
  const wait = Math.min(...[...due].map((name) => (fetched.get(name) || -1e9) + every(name) - now));
  timer = setTimeout(() => { timer = 0; refetch(); }, Math.max(wait, 0));
}
async function refetch() {
  const now = performance.now();
  const names = [...due].filter((name) => (fetched.get(name) || -1e9) + every(name) <= now + 5);
  if (!names.length) return soon();
  for (const name of names) { due.delete(name); fetched.set(name, now); }
  fetching = true;
  try {
    const url = new URL(location.href);
    url.hash = "";
    url.searchParams.set("region", names.join(","));
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.replace(answer.url); // a request that has become a build
    if (answer.ok) {
      const html = await answer.text();
      const wanted = answer.headers.get("X-Topics");
      if (wanted !== null) body.dataset.topics = wanted;
      requestAnimationFrame(() => { swap(html); subscribe(); });
    }
  } catch { for (const name of names) due.add(name); }
  fetching = false;
  soon();
}
function everything() {
  for (const region of $$("[data-region]")) { due.add(region.dataset.region); fetched.delete(region.dataset.region); }
  soon();
}
document.addEventListener("visibilitychange", () => { soon(); tick(); });

const light = $("#live");
function show(state, text) { light.dataset.state = state; $(".text", light).textContent = text; }
let tries = 0, lostAt = 0, polling = 0;
function topics() {
  const all = new Set(body.dataset.topics.split(" "));
  for (const region of $$("[data-region]")) for (const topic of (region.dataset.topics || "").split(" ")) all.add(topic);
  for (const [topic] of listeners) all.add(topic);
  all.delete("");
  return [...all].slice(0, 400);
}
function subscribe(anew) {
  const sub = topics(), text = sub.join(" ");
  if (socket?.readyState !== 1 || (text === told && !anew)) return;
  told = text;
  socket.send(JSON.stringify({ sub, after: seq }));
}
function connect() {
  let opened = false;
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket.onopen = () => {
    opened = true; tries = 0; lostAt = 0;
    clearInterval(polling); polling = 0;
    subscribe(true);
    show("live", "Live");
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.resync) { seq = Math.max(seq, message.seq || 0); return everything(); }
    if (message.seq) seq = Math.max(seq, message.seq);
    for (const one of message.events || (message.k ? [message] : [])) heard(one.k, one.m);
  };
  socket.onclose = () => {
    tries += 1;
    lostAt ||= Date.now();
    const wait = Math.min(30, 2 ** Math.min(tries - 1, 5)) * (0.75 + Math.random() / 2);
    if (!opened && tries >= 2 && !polling) polling = setInterval(everything, 5000);
    const at = new Date(lostAt).toTimeString().slice(0, 8);
    show(polling ? "polling" : "offline", polling ? "No live connection; refreshed every 5 s" : `Disconnected, showing ${at}; retrying in ${Math.ceil(wait)} s`);
    setTimeout(connect, wait * 1000);
  };
}
connect();

// --- keys -----------------------------------------------------------------------------------
const PLACES = { h: "/", b: "/builders", w: "/waterfall", q: "/queue", k: "/workers", c: "/changes" };
const keysOff = /(?:^|; )keys=off/.test(document.cookie);
let row = -1, gone = 0;
function help() {
  let dialog = $("#keys");
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.id = "keys";
    const list = [["/", "find a builder"], ["g h b w q k c", "go to home, builders, waterfall, queue, workers, changes"], ["j k Enter", "next, previous row; open"], ["[ ]", "older, newer"], ["Esc", "close"], ["?", "this list"]];
    if (document.querySelector("#loglist")) list.push(["e E", "next, previous error"], ["f", "follow the end"], ["w", "wrap lines"], ["l", "copy a link to the line"]);
    if ($(".wf")) list.push(["+ -", "zoom"], ["0", "now"]);
    dialog.innerHTML = "<h2>Keys</h2><dl class='keys'></dl><p class='more'><form method='dialog'><button>Close</button></form></p>";
    for (const [keys, text] of list) {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      for (const key of keys.split(" ")) { const kbd = document.createElement("kbd"); kbd.textContent = key; dt.append(kbd, " "); }
      dd.textContent = text;
      $("dl", dialog).append(dt, dd);
    }
    body.append(dialog);
  }
  dialog.showModal();
}
document.addEventListener("keydown", (event) => {
  if (keysOff || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape") { for (const pop of $$("details.pop[open], .menu[open]")) pop.open = false; return; }
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  const after = Date.now() - gone < 1200;
  gone = 0;
  if (after && PLACES[event.key]) return void location.assign(PLACES[event.key]);
  const rows = $$(".rows li, tr[data-row], .cards tbody tr:not(.group)");
  const move = (by) => { row = Math.max(0, Math.min(rows.length - 1, row + by)); $("a", rows[row])?.focus(); };
  const link = (rel) => { const a = $(`a[rel=${rel}]`); if (a) location.assign(a.href); };
  switch (event.key) {
    case "/": $("#find").focus(); break;
    case "g": gone = Date.now(); return;
    case "j": move(1); break;
    case "k": move(-1); break;
    case "[": link("prev"); break;
    case "]": link("next"); break;
    case "?": help(); break;
    default: {
      const target = $(`[data-key="${CSS.escape(event.key)}"]`);
      if (!target) return;
      target.click();
    }
  }
  event.preventDefault();
});

// --- small comforts -------------------------------------------------------------------------
for (const tail of $$("[data-stick]")) tail.scrollTop = tail.scrollHeight;
document.addEventListener("change", (event) => { if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });
document.addEventListener("toggle", (event) => {
  if (event.target.open) for (const tail of $$("[data-stick]", event.target)) tail.scrollTop = tail.scrollHeight;
}, true);
document.addEventListener("submit", (event) => {
  if (event.target.method === "post") setTimeout(() => $$("button", event.target).forEach((b) => { b.disabled = true; }), 0);
});
export { $, $$, say };
