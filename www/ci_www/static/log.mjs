// The log viewer: a list that holds only the rows around what is seen, however long the log is.
import { $, $$, listen, say } from "./base.mjs";

const list = $("#loglist");
if (list) start();

function start() {
  const ROW = 18, WINDOW = 500, TALLEST = 7_200_000, MARGIN = 60;
  const space = $("#logspace"), rows = $("#logrows");
  const url = list.dataset.url;
  let total = +list.dataset.total, complete = list.dataset.complete === "1";
  let wrap = matchMedia("(max-width: 720px)").matches;
  let follow = false, shown = [0, 0], marked = null, hits = [], hit = -1, moving = false;
  const cache = new Map(); // window number -> lines, or a promise of them
  let abort = null;

  document.documentElement.classList.add("logjs");
  for (const el of $$(".js, #logsearch")) el.hidden = false;

  // What the server has rendered is the first content of the cache.
  const given = new Map();
  for (const row of $$(".ll", rows)) given.set(+row.id.slice(1), [row.classList[1] || "", row.lastChild.innerHTML, ""]);
  const looks = new Map($$(".ll", rows).map((row) => [+row.id.slice(1), row.classList.contains("err") ? "err" : row.classList.contains("warn") ? "warn" : ""]));
  for (const [n, line] of given) { line[2] = looks.get(n); if (line[0] === "err" || line[0] === "warn") line[0] = ""; }

  // The command and its environment are one row until they are wanted.
  const header = +list.dataset.header;
  let folded = header > 0;
  const skipped = () => (folded ? header - 1 : 0);
  const count = () => Math.max(0, total - skipped());
  const height = () => Math.min(count() * ROW, TALLEST);
  const scale = () => Math.max(1, (count() * ROW - list.clientHeight) / Math.max(1, height() - list.clientHeight));
  const lineAt = (place) => (folded && place <= 1 ? 1 : place + skipped());
  const placeOf = (n) => Math.max(1, n - skipped());
  // A short log is there as a whole, so that its rows may be as tall as they like.
  const short = () => count() <= 300;
  function topPlace() {
    if (!short()) return Math.min(count(), Math.floor((list.scrollTop * scale()) / ROW) + 1);
    const first = [...rows.children].findIndex((row) => row.offsetTop + row.offsetHeight > list.scrollTop);
    return Math.max(1, first + 1);
  }
  const topLine = () => lineAt(topPlace());
  const fits = () => Math.ceil(list.clientHeight / ROW);

  function line(n) {
    const held = cache.get(Math.floor((n - 1) / WINDOW));
    if (Array.isArray(held) && held[(n - 1) % WINDOW]) return held[(n - 1) % WINDOW];
    return given.get(n) || null;
  }
  async function need(from, to) {
    const wanted = [];
    for (let w = Math.floor((from - 1) / WINDOW); w <= Math.floor((Math.max(from, to) - 1) / WINDOW); w++) {
      const held = cache.get(w);
      if (!held || (Array.isArray(held) && held.length < Math.min(WINDOW, total - w * WINDOW))) wanted.push(w);
    }
    if (!wanted.length) return;
    abort?.abort();
    abort = new AbortController();
    const { signal } = abort;
    await Promise.all(wanted.map(async (w) => {
      try {
        const answer = await fetch(`${url}/lines?from=${w * WINDOW + 1}&count=${WINDOW}`, { signal });
        if (!answer.ok) return;
        const got = await answer.json();
        cache.set(w, got.lines);
        grow(got.total, got.complete);
        if (cache.size > 40) for (const key of cache.keys()) { if (Math.abs(key - w) > 15) cache.delete(key); }
      } catch (error) { if (error.name !== "AbortError") throw error; }
    }));
    if (!signal.aborted) paint(true);
  }
  function fold() {
    const row = document.createElement("div");
    row.className = "ll h fold";
    row.id = "L1";
    const sign = document.createElement("a"), text = document.createElement("span"), button = document.createElement("button");
    sign.textContent = "1";
    sign.href = "#L1";
    sign.tabIndex = -1;
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.textContent = `command and environment (${header} lines)`;
    button.addEventListener("click", unfold);
    text.innerHTML = line(1)?.[1] || "";
    text.append(" ", button);
    row.append(sign, text);
    return row;
  }
  function unfold() {
    if (!folded) return;
    folded = false;
    paint(true);
  }
  function make(n) {
    if (folded && n === 1) return fold();
    const held = line(n);
    const row = document.createElement("div");
    row.className = `ll ${held?.[0] || ""} ${held?.[2] || ""}`;
    row.id = `L${n}`;
    const link = document.createElement("a");
    link.href = `#L${n}`;
    link.tabIndex = -1;
    link.textContent = n;
    const text = document.createElement("span");
    if (held) text.innerHTML = held[1]; // escaped by the server, colours only
    row.append(link, text);
    if (marked && n >= marked[0] && n <= marked[1]) row.classList.add("sel");
    if (hits.length && n === hits[hit]) row.classList.add("hit");
    return row;
  }
  function paint(force) {
    const top = topPlace();
    const from = short() ? 1 : Math.max(1, top - MARGIN), to = short() ? count() : Math.min(count(), top + fits() + MARGIN);
    if (!short()) space.style.height = `${height()}px`;
    if (force || from < shown[0] || to > shown[1] || Math.abs(from - shown[0]) > MARGIN / 2) {
      const selection = getSelection();
      const held = !force && selection && !selection.isCollapsed && rows.contains(selection.anchorNode);
      if (!held) {
        const made = document.createDocumentFragment();
        for (let place = from; place <= to; place++) made.append(make(lineAt(place)));
        rows.replaceChildren(made);
        shown = [from, to];
      }
      need(lineAt(from), lineAt(to));
    }
    if (short()) {
      rows.style.transform = "";
      space.style.height = `${rows.offsetHeight}px`;
      return;
    }
    // The row at the top stays where the scroll bar says it is, whatever the rows' heights.
    const anchor = document.getElementById(`L${lineAt(top)}`);
    const within = ((list.scrollTop * scale()) % ROW) / (scale() > 1 ? scale() : 1);
    const atEnd = list.scrollTop + list.clientHeight >= height() - 1 && count() > fits();
    if (atEnd) rows.style.transform = `translateY(${height() - rows.offsetHeight}px)`;
    else if (anchor) rows.style.transform = `translateY(${list.scrollTop - anchor.offsetTop - (scale() > 1 ? 0 : within)}px)`;
  }
  function go(n, { center = true } = {}) {
    if (n > 1 && n <= header) folded = false;
    if (short()) paint(true);
    const top = short() ? document.getElementById(`L${n}`)?.offsetTop ?? 0 : ((placeOf(n) - 1) * ROW) / scale();
    const at = top - (center ? list.clientHeight / 3 : 0);
    list.scrollTop = Math.max(0, at);
    paint(true);
  }
  function grow(count, done) {
    if (count > total) {
      const atEnd = follow;
      total = count;
      const empty = $("#nolines");
      if (empty) empty.remove();
      space.style.height = `${height()}px`;
      if (atEnd) toEnd();
      else { $("#pill").hidden = false; }
    }
    complete ||= done;
  }
  function toEnd() {
    moving = true;
    list.scrollTop = list.scrollHeight;
    paint(true);
    $("#pill").hidden = true;
    requestAnimationFrame(() => { moving = false; });
  }
  function setFollow(on) {
    follow = on;
    $("#b-follow").setAttribute("aria-pressed", on);
    if (on) toEnd();
  }
  function setWrap(on) {
    wrap = on;
    $("#b-wrap").setAttribute("aria-pressed", on);
    list.classList.toggle("nowrap", !on);
    const top = topLine();
    go(top, { center: false });
  }

  let frame = 0;
  list.addEventListener("scroll", () => {
    if (!moving && !complete) {
      const end = list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
      if (end !== follow) { follow = end; $("#b-follow").setAttribute("aria-pressed", end); }
      if (end) $("#pill").hidden = true;
    }
    frame ||= requestAnimationFrame(() => { frame = 0; paint(false); });
  }, { passive: true });
  addEventListener("resize", () => paint(true));

  // A log that grows: the event says how many lines there are; the last window is asked again.
  listen(`logs/${list.dataset.logid}/*`, (_key, log) => {
    if (!log) return;
    const last = Math.floor(Math.max(0, total - 1) / WINDOW);
    grow(log.num_lines, log.complete);
    if (lineAt(shown[1]) >= last * WINDOW || follow) { paint(true); }
  });

  // Lines in the URL
  function fromHash() {
    const found = /^#L(\d+)(?:-L(\d+))?$/.exec(location.hash);
    if (!found) return false;
    const a = +found[1], b = +(found[2] || found[1]);
    marked = [Math.min(a, b), Math.max(a, b)];
    go(marked[0]);
    say(`Line ${marked[0]}`);
    return true;
  }
  rows.addEventListener("click", (event) => {
    const link = event.target.closest(".ll > a");
    if (!link) return;
    event.preventDefault();
    const n = +link.textContent;
    if (!n) return;
    const from = event.shiftKey && marked ? Math.min(marked[0], n) : n;
    const to = event.shiftKey && marked ? Math.max(marked[0], n) : n;
    marked = [from, to];
    history.replaceState(null, "", `#L${from}${to > from ? `-L${to}` : ""}`);
    paint(true);
  });
  addEventListener("hashchange", fromHash);

  // Search
  const form = $("#logsearch");
  let asked = 0, timer = 0;
  async function find() {
    const q = form.q.value, mine = ++asked;
    const here = new URL(location.href);
    if (q) here.searchParams.set("q", q); else here.searchParams.delete("q");
    history.replaceState(null, "", here);
    if (!q) { hits = []; hit = -1; $("#hits").textContent = ""; return paint(true); }
    const answer = await fetch(`${url}/search?q=${encodeURIComponent(q)}${form.case.checked ? "&case=1" : ""}`);
    if (!answer.ok || mine !== asked) return;
    const got = await answer.json();
    hits = got.lines;
    hit = -1;
    $("#hits").textContent = got.total ? `${got.total} lines` : "nothing found";
    $("#hits").dataset.total = got.total;
    if (hits.length) jump(1, Math.max(0, hits.findIndex((n) => n >= topLine())));
  }
  function jump(by, to) {
    if (!hits.length) return;
    hit = to ?? (hit + by + hits.length) % hits.length;
    $("#hits").textContent = `${hit + 1} of ${$("#hits").dataset.total}`;
    go(hits[hit]);
  }
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, 180); });
  form.addEventListener("submit", (event) => { event.preventDefault(); if (hits.length) jump(1); else find(); });
  form.q.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.shiftKey) { event.preventDefault(); jump(-1); } });
  $("#hit-next").addEventListener("click", () => jump(1));
  $("#hit-prev").addEventListener("click", () => jump(-1));

  // Errors: those in the windows that are here, else the first of the log
  let errorAt = 0;
  function nextError(by) {
    const start = errorAt || topLine();
    const known = [...given].filter(([, one]) => one[2] === "err").map(([n]) => n);
    for (const [w, held] of cache) if (Array.isArray(held)) held.forEach((one, i) => { if (one[2] === "err") known.push(w * WINDOW + i + 1); });
    const sorted = [...new Set(known)].sort((a, b) => a - b);
    const next = by > 0 ? sorted.find((n) => n > start) ?? sorted[0] : [...sorted].reverse().find((n) => n < start) ?? sorted.at(-1);
    if (next === undefined) return say("No error found in the lines that are loaded");
    errorAt = next;
    marked = [next, next];
    go(next);
  }
  $("#b-error").addEventListener("click", () => nextError(1));
  $("#b-follow").addEventListener("click", () => setFollow(!follow));
  $("#b-wrap").addEventListener("click", () => setWrap(!wrap));
  $("#pill").addEventListener("click", () => setFollow(true));
  let searched = false;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "f") {
      if (document.activeElement === form.q || searched) { searched = false; return; }
      searched = true;
      event.preventDefault();
      form.q.focus();
      form.q.select();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea")) return;
    if (event.key === "e") nextError(1);
    else if (event.key === "E") nextError(-1);
    else if (event.key === "f") setFollow(!follow);
    else if (event.key === "w") setWrap(!wrap);
    else if (event.key === "l") navigator.clipboard?.writeText(location.href);
    else return;
    event.preventDefault();
  });

  // Copying a long range: the rows that are not here come from the server.
  $("#b-follow").hidden = complete;
  list.classList.toggle("nowrap", !wrap);
  $("#b-wrap").setAttribute("aria-pressed", wrap);
  space.style.height = `${height()}px`;
  if (!fromHash()) {
    const q = new URL(location.href).searchParams.get("q");
    if (!complete && !list.dataset.error) setFollow(true);
    else if (list.dataset.error) { marked = [+list.dataset.error, +list.dataset.error]; go(marked[0]); }
    else go(+list.dataset.first, { center: false });
    if (q) { form.q.value = q; find(); }
  }
}
