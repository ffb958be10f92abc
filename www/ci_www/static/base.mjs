// The shell of every page: live regions, ticking times, keys. Pages work without it.

const body = document.body;
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// Where the site begins: "/", or a path below which it is shown.
const ROOT = new URL($(".brand").href).pathname;

// --- cookies: what the server needs to know of this browser ---------------------------------
export function setCookie(name, value) {
  document.cookie = `${name}=${encodeURIComponent(value)};path=${ROOT.replace(/(.)\/$/, "$1")};max-age=31536000;SameSite=Lax`;
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
  if (document.hidden || stale()) return;
  const now = Date.now() / 1000;
  for (const el of $$("[data-since]")) el.textContent = duration(now - el.dataset.since);
  for (const el of $$("[data-usual]")) {
    const past = now - el.dataset.start;
    const usual = +el.dataset.usual;
    el.firstElementChild.value = Math.min(99, Math.floor((100 * past) / usual));
    el.lastElementChild.textContent = past <= usual ? `${duration(usual - past)} left` : `${duration(past - usual)} over`;
  }
  for (const el of $$("[data-until]")) {
    const left = el.dataset.until - now;
    el.textContent = left >= 0 ? `is expected free in ${duration(left)}` : `was expected free ${duration(-left)} ago`;
  }
  for (const el of $$("time.ago")) {
    const apart = now - Date.parse(el.dateTime) / 1000;
    el.textContent = Math.abs(apart) < 2 ? "now" : apart > 0 ? `${rough(apart)} ago` : `in ${rough(-apart)}`;
  }
}
setInterval(() => { watch(); tick(); }, 1000);

// --- swapping a region: keep what the reader holds -------------------------------------------
function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}
function morph(old, now) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
    return;
  }
  if (old.nodeName === "DIALOG" && old.matches(":modal")) return; // somebody writes in it
  const keepOpen = old.nodeName === "DETAILS";
  const field = /^(INPUT|SELECT|TEXTAREA)$/.test(old.nodeName);
  for (const { name, value } of now.attributes)
    if (!(keepOpen && name === "open" && old.dataset.touched) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes])
    if (!now.hasAttribute(name) && !(keepOpen && (name === "open" || name === "data-touched")) && name !== "tabindex") old.removeAttribute(name);
  if (field) return;
  const stick = old.hasAttribute("data-stick") && old.scrollHeight - old.scrollTop - old.clientHeight < 24;
  children(old, now);
  if (stick) old.scrollTop = old.scrollHeight;
}
// What has an id stays what it is, wherever it goes: its focus, its tick and its text stay with it.
function children(old, now) {
  const wanted = new Map([...now.children].filter((one) => one.id).map((one) => [one.id, one.nodeName]));
  const held = new Map();
  for (const one of [...old.children]) {
    if (!one.id) continue;
    if (wanted.get(one.id) === one.nodeName) held.set(one.id, one); else one.remove();
  }
  let at = old.firstChild;
  const drop = () => { const next = at.nextSibling; at.remove(); at = next; };
  for (const child of [...now.childNodes]) {
    const own = child.id && held.get(child.id);
    if (own) {
      let ahead = at;
      while (ahead && ahead !== own && !ahead.id) ahead = ahead.nextSibling;
      if (ahead === own) { while (at !== own) drop(); at = own.nextSibling; }
      else if (old.moveBefore) old.moveBefore(own, at);
      else old.insertBefore(own, at);
      morph(own, child);
    } else if (at && alike(at, child)) { morph(at, child); at = at.nextSibling; }
    else old.insertBefore(document.importNode(child, true), at);
  }
  while (at) drop();
}
document.addEventListener("click", (event) => {
  const summary = event.target.closest("summary");
  if (summary) summary.parentElement.dataset.touched = "1";
});

// At most one thing is said in two seconds; of several the last one.
let said = 0, saying = 0, words = "";
function say(text) {
  words = text;
  saying ||= setTimeout(() => { saying = 0; said = Date.now(); $("#say").textContent = words; }, Math.max(0, said + 2000 - Date.now()));
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
// A page knows in which of these modes it is: "live" (events arrive), "polling" (they do not, but
// the server answers), "offline" (it does not) or "outdated" (it is of another version).
const PING = 4000, PATIENCE = 5000; // ms without a sign of life, and for an answer
let seq = +body.dataset.seq || 0;
let socket = null, told = "";
let mode = "", heardAt = Date.now(), pingedAt = 0, lostAt = 0, retryAt = 0, tries = 0, trying = false;
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
  if (!due.size || fetching || timer || document.hidden || lostAt || mode === "outdated") return;
  const now = performance.now();
  const wait = Math.min(...[...due].map((name) => (fetched.get(name) || -1e9) + every(name) - now));
  timer = setTimeout(() => { timer = 0; refetch(); }, Math.max(wait, 0));
}
async function refetch() {
  const now = performance.now();
  const names = [...due].filter((name) => (fetched.get(name) || -1e9) + every(name) <= now + 5);
  if (!names.length) return soon();
  for (const name of names) { due.delete(name); fetched.set(name, now); }
  if (!await regions(names)) {
    for (const name of names) due.add(name);
    if (mode === "polling") lost();
  }
  soon();
}
// Whether the server answered; if so these regions are as it shows them now.
async function regions(names) {
  fetching = true;
  try {
    const url = new URL(location.href);
    url.hash = "";
    url.searchParams.set("region", names.join(","));
    const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(2 * PATIENCE) });
    if (answer.redirected) { location.replace(answer.url); return true; } // a request that has become a build
    if (answer.status > 500 || [401, 403, 407, 429].includes(answer.status)) return false;
    heardAt = Date.now();
    if (!answer.ok) return true;
    const html = await answer.text();
    const version = answer.headers.get("X-Version");
    if (version && version !== body.dataset.version) { outdated(); return true; }
    const wanted = answer.headers.get("X-Topics");
    if (wanted !== null) body.dataset.topics = wanted;
    await new Promise(document.hidden ? (done) => setTimeout(done) : requestAnimationFrame);
    swap(html);
    subscribe();
    return true;
  } catch (error) {
    if (error instanceof TypeError || error.name === "TimeoutError" || error.name === "AbortError") return false;
    throw error;
  } finally { fetching = false; }
}
const named = () => [...new Set($$("[data-region]").map((region) => region.dataset.region))];
/** Ask for a region anew. */
export function renew(name) { due.add(name); soon(); }
function everything() {
  for (const name of named()) { due.add(name); fetched.delete(name); }
  document.dispatchEvent(new CustomEvent("resync"));
  soon();
}
document.addEventListener("visibilitychange", () => { soon(); watch(); tick(); });

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

// --- whether the master is there -------------------------------------------------------------
/** Whether what is shown may be old: then clocks stand still. */
function stale() { return mode === "offline" || mode === "outdated" || Date.now() - heardAt > PING + PATIENCE + 2000; }
function clock(at) {
  const date = new Date(at), time = date.toTimeString().slice(0, 8);
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleString("en", { month: "short" })} ${date.getDate()} ${time}`;
}
const light = $("#live");
function become(now, text) {
  mode = light.dataset.state = now;
  body.toggleAttribute("data-stale", now === "offline" || now === "outdated");
  if ($(".text", light).textContent !== text) $(".text", light).textContent = text;
}
let bar = null, barTimer = 0;
// The strip at the foot of the window: what is the matter, what will be tried, a button.
function strip(text, label, press) {
  clearTimeout(barTimer);
  if (!text) { if (bar) bar.hidden = true; return; }
  if (!bar) {
    bar = document.createElement("div");
    bar.id = "lost";
    bar.innerHTML = "<span class='what'></span> <span class='next'></span> <button type='button'></button>";
    $("header.bar").append(bar);
    $("button", bar).addEventListener("click", () => bar.press());
  }
  bar.hidden = false;
  bar.dataset.mode = mode;
  bar.press = press;
  $(".what", bar).textContent = text;
  $(".next", bar).textContent = "";
  const button = $("button", bar);
  if (button.hidden !== !label && document.activeElement === button) $("#main").focus({ preventScroll: true });
  button.hidden = !label;
  button.textContent = label || "";
}
function countdown() {
  if (mode !== "offline" || !bar || bar.hidden) return;
  const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const text = trying || !left ? "Trying again now\u2026" : `Trying again in ${left} s.`;
  if ($(".next", bar).textContent !== text) $(".next", bar).textContent = text;
}
function sayLost() {
  if (mode === "offline" || mode === "outdated") return;
  const text = `Disconnected since ${clock(lostAt)}`;
  become("offline", text);
  strip(`${text}. What you see is as it was then.`, "Try now", () => attempt());
  say(`${text}. What you see is as it was then; the page tries again by itself.`);
}
function outdated() {
  lostAt = 0;
  if (mode === "outdated") return;
  become("outdated", "Reload");
  strip("The master now runs another version. Reload this page to go on.", "Reload", () => location.reload());
  say("The master now runs another version. Reload this page to go on.");
}
// The first sign that it is gone. One more try at once: a connection may end for small reasons.
function lost() {
  if (mode === "outdated") return;
  lostAt ||= heardAt;
  tries = 0;
  leave();
  attempt();
}
// It was asked and says nothing, as one that was stopped: another try would take as long again.
function silent() {
  lostAt = heardAt;
  sayLost();
  lost();
}
function leave() {
  const old = socket;
  socket = null;
  if (!old) return;
  old.onopen = old.onclose = old.onmessage = null;
  old.close();
}
function watch() {
  countdown();
  if (mode === "outdated" || trying) return;
  const now = Date.now();
  if ((lostAt || socket?.readyState !== 1) && now >= retryAt) return void attempt();
  if (mode === "polling" && !lostAt && now - heardAt >= 4900 && !document.hidden) everything();
  if (mode !== "live" || lostAt || document.hidden) return;
  if (pingedAt > heardAt) { if (now - pingedAt > PATIENCE) silent(); }
  else if (now - heardAt > PING && socket?.readyState === 1) { pingedAt = now; socket.send('{"cmd":"ping","_id":0}'); }
}
addEventListener("online", () => { if (lostAt) attempt(); });
addEventListener("pageshow", (event) => { if (event.persisted) lost(); }); // from the browser's cache

function open() {
  return new Promise((done) => {
    const one = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${ROOT}ws`);
    const late = setTimeout(() => { one.onclose = null; one.close(); done(false); }, PATIENCE);
    one.onclose = () => { clearTimeout(late); done(false); };
    one.onopen = () => {
      clearTimeout(late);
      leave();
      socket = one;
      heardAt = Date.now();
      one.onclose = lost;
      one.onmessage = (event) => {
        heardAt = Date.now();
        const message = JSON.parse(event.data);
        if (message.resync) { seq = message.seq || 0; return everything(); }
        if (message.seq) seq = Math.max(seq, message.seq);
        for (const one of message.events || (message.k ? [message] : [])) heard(one.k, one.m);
      };
      done(true);
    };
  });
}
async function attempt() {
  if (trying || mode === "outdated") return;
  trying = true;
  retryAt = 0;
  countdown();
  if (await open()) { subscribe(true); await back("live", "Live"); }
  else if (!fetching && await regions(named())) await back("polling", "Not live: refreshed every 5 s");
  else lostAt ||= heardAt;
  trying = false;
  if (mode === "live" && !lostAt) return;
  if (lostAt) sayLost();
  tries += 1;
  retryAt = Date.now() + 1000 * Math.min(30, 2 ** Math.min(tries - 1, 5)) * (0.75 + Math.random() / 2);
  countdown();
}
// It answers. After an absence all that is shown is brought up to date before that is said.
async function back(now, text) {
  const away = lostAt;
  if (away && now === "live" && !await regions(named())) return leave();
  if (mode === "outdated") return;
  lostAt = 0;
  tries = now === "live" ? 0 : tries;
  const told = mode === "offline";
  become(now, text);
  if (!away) return;
  document.dispatchEvent(new CustomEvent("resync"));
  tick();
  if (!told) return;
  strip(`Connected again at ${clock(Date.now())}. This page is up to date.`);
  barTimer = setTimeout(strip, 8000);
  say("Connected again. This page is up to date.");
}
attempt();

// --- keys -----------------------------------------------------------------------------------
const PLACES = { h: "", b: "builders", w: "waterfall", q: "queue", k: "workers", c: "changes" };
const keysOff = /(?:^|; )keys=off/.test(document.cookie);
let row = -1, gone = 0;
function help() {
  let dialog = $("#keys");
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.id = "keys";
    const list = [["/", "find a builder"], ["g h b w q k c", "go to home, builders, waterfall, queue, workers, changes"], ["j k Enter", "next, previous row; open"], ["[ ]", "older, newer"], ["Esc", "close"], ["?", "this list"]];
    if (document.querySelector("#loglist")) list.push(["Home End", "begin, end of the log"], ["PageUp PageDown \u2191 \u2193", "move"], ["e E", "next, previous error"], ["n p", "next, previous match"], ["f", "follow the end"], ["w", "wrap lines"], ["l", "copy a link to the line"]);
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
  if (event.target.closest("input, select, textarea, [contenteditable]") || $("dialog:modal")) return;
  const after = Date.now() - gone < 1200;
  gone = 0;
  if (after && event.key in PLACES) return void location.assign(ROOT + PLACES[event.key]);
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

// --- questions: a button that unfolds a form opens it as a dialog --------------------------------
document.addEventListener("toggle", (event) => {
  const pop = event.target;
  const dialog = pop.matches?.("details.pop") && $("dialog", pop);
  if (!dialog || !pop.open || dialog.matches(":modal")) return;
  dialog.removeAttribute("open");
  dialog.showModal();
  $("input:not([type=hidden])", dialog)?.focus();
  dialog.onclose = () => { pop.open = false; if (pop.isConnected) $("summary", pop).focus(); };
}, true);
document.addEventListener("click", (event) => {
  const dialog = event.target.closest("dialog.popped");
  if (dialog && (event.target === dialog || event.target.closest("[data-close]"))) dialog.close();
});

// --- small comforts -------------------------------------------------------------------------
for (const tail of $$("[data-stick]")) tail.scrollTop = tail.scrollHeight;
document.addEventListener("change", (event) => { if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });
document.addEventListener("toggle", (event) => {
  if (event.target.open) for (const tail of $$("[data-stick]", event.target)) tail.scrollTop = tail.scrollHeight;
}, true);
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || event.defaultPrevented) return;
  if (mode === "offline") { // what was typed would be lost
    event.preventDefault();
    say("Not sent: the master does not answer. What you have typed stays here.");
    strip("Not sent: the master does not answer. What you have typed stays here.", "Try now", () => attempt());
  } else setTimeout(() => $$("button", event.target).forEach((b) => { b.disabled = true; }), 0);
});
export { $, $$, keysOff, say, swap, stale };
