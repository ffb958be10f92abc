// The waterfall: a card says more of a build, what runs grows, a build outlines its changes.
import { $, $$, renew, stale } from "./base.mjs";

function light(event) {
  const wf = event.target.closest?.(".wf");
  for (const el of $$(".wf .lit")) el.classList.remove("lit");
  const from = event.type === "mouseout" || event.type === "focusout" ? null : event.target.closest?.("[data-stamps]");
  if (!wf || !from) return;
  const stamps = new Set(from.dataset.stamps.split(" "));
  for (const el of $$("[data-stamps]", wf)) if (el !== from && el.dataset.stamps.split(" ").some((one) => stamps.has(one))) el.classList.add("lit");
}
for (const type of ["mouseover", "mouseout", "focusin", "focusout"]) document.addEventListener(type, light);

// --- the card: what a box has no room for, on hover, focus and touch -------------------------
const card = document.createElement("div");
card.className = "wf-card";
card.hidden = true;
document.body.append(card);
let of = null, leaving = 0;
function hide() { card.hidden = true; of = null; }
function show(box, link) {
  clearTimeout(leaving);
  if (of === box && !link) return;
  of = box;
  card.replaceChildren();
  for (const line of $("title", box).textContent.split("\n")) {
    const p = document.createElement("p");
    p.textContent = line;
    card.append(p);
  }
  card.firstChild.className = "b";
  if (link) {
    const a = document.createElement("a");
    a.className = "button";
    a.href = box.getAttribute("href");
    a.textContent = "Open";
    card.append(a);
  }
  card.hidden = false;
  const at = ($("rect.wide:not(.due)", box) || box).getBoundingClientRect(), size = card.getBoundingClientRect();
  const left = at.right + 8 + size.width < innerWidth ? at.right + 8 : at.left - 8 - size.width;
  card.style.left = `${Math.min(Math.max(8, left), innerWidth - size.width - 8)}px`;
  card.style.top = `${Math.min(Math.max(56, at.top), innerHeight - size.height - 8)}px`;
}
const boxOf = (event) => event.target.closest?.(".wf .box, .wf .chg");
let touched = false;
document.addEventListener("pointerdown", (event) => { touched = event.pointerType !== "mouse"; }, true);
document.addEventListener("mouseover", (event) => {
  if (touched) return;
  const box = boxOf(event);
  if (box) show(box);
  else if (card.contains(event.target)) clearTimeout(leaving);
  else if (of && !of.matches(":focus")) { clearTimeout(leaving); leaving = setTimeout(hide, 200); }
});
document.addEventListener("focusin", (event) => {
  if (touched) return;
  const box = boxOf(event);
  if (box) show(box);
  else if (!card.contains(event.target)) hide();
});
document.addEventListener("click", (event) => {
  const box = boxOf(event);
  if (!touched || card.contains(event.target)) return;
  if (!box) return hide();
  if (of === box) return; // the second touch opens
  event.preventDefault();
  show(box, true);
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
document.addEventListener("scroll", (event) => { if (event.target.matches?.(".wf") || event.target === document) { if (!of?.matches(":focus-visible")) hide(); } }, true);
document.addEventListener("swapped", () => { if (of && !of.isConnected) hide(); });

// --- what runs grows up to now ---------------------------------------------------------------
const ROOM = 40;
let base = null;
function remember(wf) {
  const grow = [];
  for (const el of $$("[data-tall]", wf)) for (const rect of $$(":scope > rect:not(.due)", el)) grow.push([rect, +rect.getAttribute("y"), +rect.getAttribute("height")]);
  base = { wf, at: performance.now(), grow, up: $$("[data-up]", wf) };
}
function grow() {
  const wf = $(".wf[data-now]");
  if (!wf || document.hidden || stale()) return;
  if (base?.wf !== wf) remember(wf);
  const by = ((performance.now() - base.at) / 60000) * wf.dataset.scale;
  if (by > ROOM - 8) return renew("wf");
  for (const [rect, y, height] of base.grow) { rect.setAttribute("y", y - by); rect.setAttribute("height", height + by); }
  for (const el of base.up) el.setAttribute("transform", `translate(0 ${-by})`);
}
setInterval(grow, 1000);
grow();
document.addEventListener("swapped", () => { base = null; grow(); });

// Drag with the main button moves the picture; a click still opens what is under it.
let held = null;
document.addEventListener("pointerdown", (event) => {
  const wf = event.target.closest(".wf");
  if (!wf || event.button || event.pointerType !== "mouse") return;
  held = { wf, x: event.clientX, y: event.clientY, left: wf.scrollLeft, top: wf.scrollTop, moved: false };
});
document.addEventListener("pointermove", (event) => {
  if (!held) return;
  const dx = event.clientX - held.x, dy = event.clientY - held.y;
  if (Math.abs(dx) + Math.abs(dy) > 6) held.moved = true;
  if (held.moved) { held.wf.scrollLeft = held.left - dx; held.wf.scrollTop = held.top - dy; }
});
document.addEventListener("pointerup", () => { setTimeout(() => { held = null; }, 0); });
document.addEventListener("click", (event) => { if (held?.moved) event.preventDefault(); }, true);
document.addEventListener("dragstart", (event) => { if (event.target.closest?.(".wf")) event.preventDefault(); });
document.addEventListener("keydown", (event) => {
  const wf = $(".wf");
  if (!wf || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const by = { ArrowUp: [0, -90], ArrowDown: [0, 90], ArrowLeft: [-140, 0], ArrowRight: [140, 0] }[event.key];
  if (!by) return;
  wf.scrollBy(...by);
  event.preventDefault();
});
