// The log viewer: a list that holds only the rows around what is seen, however long the log is.
import { $, $$, keysOff, listen, say } from "./base.mjs";

const list = $("#loglist");
if (list) start();

function start() {
  const ROW = 18, WINDOW = 500, TALLEST = 7_200_000, MARGIN = 60;
  const space = $("#logspace"), rows = $("#logrows");
  const url = list.dataset.url;
  let total = +list.dataset.total, complete = list.dataset.complete === "1";
  let wrap = matchMedia("(max-width: 720px)").matches;
  let follow = false, shown = [0, 0], marked = null, moving = false, goal = null;
  let needle = "", hits = [], hit = -1, hitsNext = null; // lines with the text, as often as they have it
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
    if (signal.aborted) return;
    paint(true);
    if (goal) settle();
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
    mark(row, 1);
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
    if (held) text.innerHTML = held[1]; // escaped by the server: colours and links only
    else row.classList.add("blank");
    row.append(link, text);
    if (marked && n >= marked[0] && n <= marked[1]) row.classList.add("sel");
    mark(row, n);
    return row;
  }
  // The text that is looked for, in <mark>; the one that is gone to has a look of its own.
  const lower = (text) => text.replace(/[A-Z]+/g, (some) => some.toLowerCase());
  function mark(row, n) {
    if (!needle) return;
    const span = row.lastChild, same = form.case.checked ? (text) => text : lower;
    const nodes = [], starts = [], walker = document.createTreeWalker(span, NodeFilter.SHOW_TEXT);
    let text = "";
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.parentElement.closest("button, i.muted")) continue;
      nodes.push(node);
      starts.push(text.length);
      text += node.data;
    }
    const all = same(text), wanted = same(needle), places = [];
    for (let at = all.indexOf(wanted); at >= 0; at = all.indexOf(wanted, at + wanted.length)) places.push(at);
    const mine = n === hits[hit] ? Math.min(hit - hits.indexOf(n), Math.max(0, places.length - 1)) : -1;
    row.classList.toggle("hit", mine >= 0);
    // From the last to the first: what is split off a node stands behind it and is done with.
    for (let i = places.length - 1; i >= 0; i--) nodes.forEach((node, k) => {
      const from = Math.max(places[i] - starts[k], 0), to = Math.min(places[i] + wanted.length - starts[k], node.data.length);
      if (from >= to) return;
      const made = document.createElement("mark");
      if (i === mine) made.className = "cur";
      if (to < node.data.length) node.splitText(to);
      const part = from ? node.splitText(from) : node;
      part.replaceWith(made);
      made.append(part);
    });
  }
  function paint(force) {
    const top = topPlace();
    const from = short() ? 1 : Math.max(1, top - MARGIN), to = short() ? count() : Math.min(count(), top + fits() + MARGIN);
    if (!short()) space.style.height = `${height()}px`;
    if (force || from < shown[0] || to > shown[1] || Math.abs(from - shown[0]) > MARGIN / 2) {
      // What somebody has selected is kept; what is missing around it is added.
      const held = selecting() && from <= shown[1] && to >= shown[0] && rows.children.length < 4000;
      if (held) {
        for (const row of $$(".blank", rows)) if (line(+row.id.slice(1))) row.replaceWith(make(+row.id.slice(1)));
        for (; shown[1] < to; shown[1]++) rows.append(make(lineAt(shown[1] + 1)));
        for (; shown[0] > from; shown[0]--) rows.prepend(make(lineAt(shown[0] - 1)));
      } else {
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
  function selecting() {
    const selection = getSelection();
    return selection && !selection.isCollapsed && rows.contains(selection.anchorNode);
  }
  // A line is gone to: it stands at a third of the height, under what comes before it.
  function go(n, { center = true } = {}) {
    if (n > 1 && n <= header) folded = false;
    if (short()) paint(true);
    const top = short() ? document.getElementById(`L${n}`)?.offsetTop ?? 0 : ((placeOf(n) - 1) * ROW) / scale();
    list.scrollTop = Math.max(0, top - (center ? list.clientHeight / 3 : 0));
    paint(true);
    goal = center ? n : null;
    settle();
  }
  // Rows that are wrapped are higher than others: fewer of them fit above.
  function settle() {
    if (goal === null || short()) return;
    const row = document.getElementById(`L${goal}`);
    if (!row) return;
    const place = placeOf(goal);
    let first = place;
    for (let above = row.previousElementSibling; above; above = above.previousElementSibling) {
      if (row.offsetTop - above.offsetTop > list.clientHeight / 3) break;
      first -= 1;
    }
    const at = Math.ceil(((first - 1) * ROW) / scale());
    if (Math.abs(list.scrollTop - at) > 1) { list.scrollTop = at; paint(false); }
  }
  for (const type of ["wheel", "touchmove", "pointerdown"]) list.addEventListener(type, () => { goal = null; }, { passive: true });
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
    goal = null;
    moving = true;
    list.scrollTop = list.scrollHeight;
    paint(true);
    list.scrollTop = list.scrollHeight;
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
  addEventListener("resize", () => { paint(true); settle(); });

  // A log that grows: the event says how many lines there are; the last window is asked again.
  function grown(lines, done) {
    const last = Math.floor(Math.max(0, total - 1) / WINDOW);
    grow(lines, done);
    if (lineAt(shown[1]) >= last * WINDOW || follow) paint(true);
  }
  listen(`logs/${list.dataset.logid}/*`, (_key, log) => { if (log) grown(log.num_lines, log.complete); });
  // After the master was away, or where no events come.
  document.addEventListener("resync", async () => {
    if (complete) return;
    const answer = await fetch(`${url}/lines?from=${Math.max(1, total)}&count=1`);
    if (answer.ok) { const got = await answer.json(); grown(got.total, got.complete); }
  });

  // Lines in the URL
  function fromHash() {
    const found = /^#L(\d+)(?:-L?(\d+))?$/.exec(location.hash);
    if (!found) return false;
    const a = +found[1], b = +(found[2] || found[1]);
    marked = [Math.max(1, Math.min(a, b, total || 1)), Math.max(1, Math.min(Math.max(a, b), total || 1))];
    go(marked[0]);
    say(marked[1] > marked[0] ? `Lines ${marked[0]} to ${marked[1]}` : `Line ${marked[0]}`);
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
    if (event.shiftKey) getSelection().removeAllRanges();
    history.replaceState(null, "", `#L${from}${to > from ? `-L${to}` : ""}`);
    paint(true);
  });
  addEventListener("hashchange", fromHash);

  // Search: the server looks through the log and says in which lines; long ones come in parts.
  const form = $("#logsearch");
  let asked = 0, timer = 0;
  function counted() {
    if (!needle) { $("#hits").textContent = ""; return; }
    const more = hitsNext ? "+" : "";
    $("#hits").textContent = !hits.length ? (hitsNext ? "looking\u2026" : "nothing found")
      : hit < 0 ? `${hits.length}${more} found` : `${hit + 1} of ${hits.length}${more}`;
  }
  async function find() {
    const q = form.q.value, mine = ++asked;
    const here = new URL(location.href);
    if (q) here.searchParams.set("q", q); else here.searchParams.delete("q");
    history.replaceState(null, "", here);
    const top = hit >= 0 ? hits[hit] : topLine();
    needle = q;
    hits = [];
    hit = -1;
    hitsNext = q ? 1 : null;
    counted();
    paint(true);
    while (hitsNext && mine === asked && hits.length < 100_000) {
      const answer = await fetch(`${url}/search?q=${encodeURIComponent(q)}&from=${hitsNext}${form.case.checked ? "&case=1" : ""}`);
      if (mine !== asked) return;
      if (!answer.ok) { hitsNext = null; $("#hits").textContent = "the search failed"; return; }
      const got = await answer.json();
      if (mine !== asked) return;
      for (const one of got.lines) hits.push(one); // there may be more than a call takes
      hitsNext = got.next;
      if (hit < 0) { const first = hits.findIndex((n) => n >= top); if (first >= 0) jump(0, first); }
      counted();
    }
    if (mine === asked && hit < 0 && hits.length) jump(0, 0);
  }
  function jump(by, to) {
    if (!hits.length) return;
    hit = to ?? (hit < 0 ? (by > 0 ? 0 : hits.length - 1) : (hit + by + hits.length) % hits.length);
    counted();
    go(hits[hit]);
    reveal();
  }
  // In lines that are not wrapped, the match may be far to the right.
  function reveal() { $("mark.cur", rows)?.scrollIntoView({ block: "nearest", inline: "nearest" }); }
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, 180); });
  form.addEventListener("submit", (event) => { event.preventDefault(); if (form.q.value === needle && hits.length) jump(1); else find(); });
  form.q.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.shiftKey) { event.preventDefault(); jump(-1); }
    if (event.key === "Escape" && !form.q.value) list.focus({ preventScroll: true });
  });
  $("#hit-next").addEventListener("click", () => jump(1));
  $("#hit-prev").addEventListener("click", () => jump(-1));

  // Errors: the server knows what one looks like. Lines that follow each other are one error.
  let errors = [], errorsNext = 1, errorAt = 0, last = -1, looking = null, sought = false, broken = false;
  function moreErrors() {
    looking ||= (async () => {
      const answer = await fetch(`${url}/errors?from=${errorsNext}`);
      looking = null;
      if (!answer.ok) { broken = true; return; }
      const got = await answer.json();
      broken = false;
      for (const n of got.lines) { if (n !== last + 1) errors.push(n); last = n; }
      errorsNext = got.next || (complete ? null : total + 1);
      countErrors(!got.next);
      return !!got.next;
    })();
    return looking;
  }
  function countErrors(all = !errorsNext || errorsNext > total) {
    const at = errors.indexOf(errorAt), button = $("#b-error"), more = all ? "" : "+";
    button.textContent = at >= 0 ? `Error ${at + 1} of ${errors.length}${more}` : all && !errors.length ? "No errors" : errors.length ? `${errors.length}${more} ${errors.length === 1 && all ? "error" : "errors"}` : sought ? `Looking, ${Math.floor((100 * errorsNext) / total)} %` : "Next error";
  }
  async function nextError(by) {
    const start = errorAt || (by > 0 ? topLine() - 1 : topLine());
    const beyond = () => (by > 0 ? errors.find((n) => n > start) : errorsNext && errorsNext <= start ? undefined : errors.findLast((n) => n < start));
    if (beyond() === undefined && errorsNext && errorsNext <= total) { sought = true; countErrors(); }
    while (beyond() === undefined && errorsNext && errorsNext <= total) if (!await moreErrors()) break;
    sought = false;
    const next = beyond() ?? (by > 0 ? errors[0] : errors.at(-1));
    if (next === undefined && broken) { countErrors(); return say("The log could not be searched for errors: try again"); }
    if (next === undefined) { countErrors(true); return say("No line of this log looks like an error"); }
    errorAt = next;
    marked = [next, next];
    go(next);
    countErrors();
    say(`${$("#b-error").textContent}: line ${next}`);
  }
  $("#b-error").addEventListener("click", (event) => nextError(event.shiftKey ? -1 : 1));
  $("#b-follow").addEventListener("click", () => setFollow(!follow));
  $("#b-wrap").addEventListener("click", () => setWrap(!wrap));
  $("#pill").addEventListener("click", () => setFollow(true));

  // Keys move the lines wherever the focus is, except in a field that wants them itself.
  const MOVES = {
    Home: () => go(1, { center: false }), End: () => toEnd(),
    PageDown: () => scroll(list.clientHeight - 2 * ROW), PageUp: () => scroll(2 * ROW - list.clientHeight),
    ArrowDown: () => scroll(2 * ROW), ArrowUp: () => scroll(-2 * ROW),
    ArrowRight: () => list.scrollBy(80, 0), ArrowLeft: () => list.scrollBy(-80, 0),
    " ": (event) => scroll((event.shiftKey ? -1 : 1) * (list.clientHeight - 2 * ROW)),
  };
  // A long list stands for more lines than it has pixels: then a page is fewer of those.
  function scroll(by) { goal = null; list.scrollTop += Math.sign(by) * Math.max(1, Math.abs(by) / scale()); paint(false); }
  function moves(event) {
    const move = MOVES[event.key], on = event.target;
    if (!move || event.altKey || event.metaKey || (event.ctrlKey && !/^(Home|End)$/.test(event.key))) return false;
    if (event.shiftKey && event.key !== " ") return false; // it selects
    if (on.closest("textarea, select, [contenteditable], dialog")) return false;
    if (on.matches("input[type=search]") && !/^(Page|ArrowUp|ArrowDown)/.test(event.key)) return false;
    if (event.key === " " && on.closest("button, summary, input, a")) return false;
    move(event);
    return true;
  }
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
    if ($("dialog[open]")) return;
    if (moves(event)) return event.preventDefault();
    if (keysOff || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    if (event.key === "e") nextError(1);
    else if (event.key === "E") nextError(-1);
    else if (event.key === "n" && needle) jump(1);
    else if (event.key === "p" && needle) jump(-1);
    else if (event.key === "f") setFollow(!follow);
    else if (event.key === "w") setWrap(!wrap);
    else if (event.key === "l") navigator.clipboard?.writeText(location.href);
    else return;
    event.preventDefault();
  });

  // What is copied is the text of the lines, without their numbers.
  document.addEventListener("copy", (event) => {
    if (!selecting()) return;
    const range = getSelection().getRangeAt(0), texts = [];
    for (const row of rows.children) {
      const span = row.lastChild;
      if (!range.intersectsNode(span)) continue;
      const part = document.createRange();
      part.selectNodeContents(span);
      if (range.compareBoundaryPoints(Range.START_TO_START, part) > 0) part.setStart(range.startContainer, range.startOffset);
      if (range.compareBoundaryPoints(Range.END_TO_END, part) < 0) part.setEnd(range.endContainer, range.endOffset);
      const made = document.createElement("div");
      made.append(part.cloneContents());
      for (const extra of $$("button", made)) extra.remove();
      texts.push(made.textContent);
    }
    event.clipboardData.setData("text/plain", texts.join("\n"));
    event.preventDefault();
    if (!short() && texts.length >= rows.children.length) say(`Only the ${texts.length} lines around what you see were copied; Raw has all of them.`);
  });

  $("#b-follow").hidden = complete;
  list.classList.toggle("nowrap", !wrap);
  $("#b-wrap").setAttribute("aria-pressed", wrap);
  space.style.height = `${height()}px`;
  const q = new URL(location.href).searchParams.get("q");
  if (!fromHash()) {
    if (!complete && !list.dataset.error) setFollow(true);
    else if (list.dataset.error) { marked = [+list.dataset.error, +list.dataset.error]; go(marked[0]); }
    else if (list.dataset.failed && !/[?&](from|line)=/.test(location.search)) toEnd(); // no line tells of the error
    else go(+list.dataset.first, { center: false });
  }
  if (q) { form.q.value = q; find(); }
  // The browser goes to an anchor in its own way when all is loaded: there would be nothing above.
  addEventListener("load", () => requestAnimationFrame(() => { if (goal && marked) go(marked[0]); }));
  if (list.dataset.failed) moreErrors();
}
